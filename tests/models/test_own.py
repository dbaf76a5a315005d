"""A user's own model: where it is looked for, what it must be, and every refusal."""

import re
from pathlib import Path

import pytest
import torch

from models import catalogue, own
from strategies.common.errors import ModelError, SettingsError
from strategies.common.inputs import Images
from strategies.common.task import Task
from tests.fresh_processes import FreshProcesses

TASK = Task(10, Images(1, 8, 8), 0)
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs.height * inputs.width, WIDTH))

    def forward(self, images):
        return self.layers(images)
"""


def write(folder: Path, source: str, name: str = "mymodels.py") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(source)
    return f"{folder / name}:Net"


def net(width: int) -> str:
    return NET.replace("WIDTH", str(width))


def returning(expression: str) -> str:
    return (
        f"import torch\nfrom torch import nn\n\ndef Net(inputs, num_classes):\n    {expression}\n"
    )


def answering(expression: str) -> str:
    return (
        f"import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n"
        f"    def __init__(self, *_):\n        super().__init__()\n"
        f"    def forward(self, x):\n        return {expression}\n"
    )


def refusal(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        catalogue.build(name, TASK, 16, seed=1)
    return str(caught.value)


def test_the_width_is_found_and_pooling_and_head_are_added(tmp_path: Path) -> None:
    model = catalogue.build(write(tmp_path, net(12)), TASK, 0, seed=1)
    assert model.training
    assert all(module.training for module in model.modules())
    assert model.features(torch.zeros(4, 1, 8, 8)).shape == (4, 12)
    pooled = catalogue.build(write(tmp_path, net(12)), TASK, 16, seed=1)
    assert pooled(torch.zeros(4, 1, 8, 8)).shape == (4, 10)
    assert pooled.feature_dim == 16


@pytest.mark.parametrize(
    "source", [net(12), returning("return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten())")]
)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(
    tmp_path: Path, source: str
) -> None:
    name = write(tmp_path, source)
    before = torch.get_rng_state()
    first, again, other = (catalogue.build(name, TASK, 16, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = first.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in again.state_dict().items())
    assert not any(torch.equal(weights[key], value) for key, value in other.state_dict().items())


def test_statistics_do_not_see_the_batch_that_measures_the_width(tmp_path: Path) -> None:
    source = returning("return nn.Sequential(nn.BatchNorm2d(inputs.channels), nn.Flatten())")
    model = catalogue.build(write(tmp_path, source), TASK, 0, seed=1)
    state = model.state_dict()
    assert state["body.0.num_batches_tracked"] == 0
    assert state["body.0.running_mean"].tolist() == [0.0]


def test_a_relative_file_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, net(12))
    monkeypatch.chdir(tmp_path)
    assert catalogue.build("mymodels.py:Net", TASK, 0, seed=1).feature_dim == 12


def test_a_relative_file_lies_in_the_bundle_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, here = tmp_path / "bundle", tmp_path / "here"
    write(bundle, net(12))
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(own, "_ROOT", bundle)
    assert catalogue.build("mymodels.py:Net", TASK, 0, seed=1).feature_dim == 12


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, net(12))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalogue.build("~/mymodels.py:Net", TASK, 0, seed=1).feature_dim == 12


def test_an_installed_class_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed_nets_of_a_test"
    write(package, net(12), "small.py")
    monkeypatch.syspath_prepend(tmp_path)
    name = "installed_nets_of_a_test.small:Net"
    assert catalogue.build(name, TASK, 0, seed=1).feature_dim == 12


def test_two_files_may_hold_the_same_name(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", net(12)), write(tmp_path / "b", net(13))
    widths = [catalogue.build(name, TASK, 0, seed=1).feature_dim for name in (first, second, first)]
    assert widths == [12, 13, 12]


def test_an_edit_is_seen_at_once(tmp_path: Path) -> None:
    # Of the same length and within the same second, which a cache of bytecode would miss.
    for width in (12, 13, 12):
        assert catalogue.build(write(tmp_path, net(width)), TASK, 0, seed=1).feature_dim == width
    assert [path.name for path in tmp_path.iterdir()] == ["mymodels.py"]


def test_a_file_called_models_shadows_nothing(
    tmp_path: Path, fresh_processes: FreshProcesses
) -> None:
    name = write(tmp_path, net(12), "models.py")
    code = (
        f"from models import catalogue\nfrom strategies.common.inputs import Images\n"
        f"from strategies.common.task import Task\ntask = Task(10, Images(1, 8, 8), 0)\n"
        f"catalogue.build({name!r}, task, 0, 1)\n"
        f"import models, models.cnn\n"
        f"print(catalogue.build('cnn', task, 0, 1).feature_dim, models.__file__)"
    )
    done = fresh_processes.run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("512 ")
    assert str(tmp_path) not in done.stdout


def test_dataclasses_in_the_file_find_their_module(tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from typing import ClassVar\n\n@dataclass\nclass Sizes:\n    one: ClassVar[int] = 1\n"
    )
    assert catalogue.build(write(tmp_path, source + net(12).lstrip()), TASK, 0, seed=1)


# Refusals


@pytest.mark.parametrize(
    "name",
    ["a.py:", ".py:Net", ":Net", "a b:Net", "a.py:Net.inner", "a-b:Net", "a/b:Net", "a.py:1"],
)
def test_other_forms_are_refused_with_the_two_that_there_are(name: str) -> None:
    with pytest.raises(SettingsError, match=r"setting models: .*mymodels\.py:Net, or mypackage"):
        catalogue.check(f"cnn,{name}")


def test_names_of_all_kinds_are_mixed_and_not_looked_for() -> None:
    names = " cnn, /nowhere/mymodels.py:Net,mypackage.module:Class"
    assert catalogue.check(names) == ("cnn", "/nowhere/mymodels.py:Net", "mypackage.module:Class")
    catalogue.check_here(names)


def test_an_unknown_name_tells_of_the_door() -> None:
    with pytest.raises(SettingsError, match=r"unknown 'lenet'.*resnet4.*mymodels\.py:Net"):
        catalogue.check("lenet")


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = refusal("mine.py:Net")
    assert f"expected a file {tmp_path / 'mine.py'} or " in told
    assert "name it own_models/mine.py:Net" in told


def test_a_module_that_is_not_there() -> None:
    told = refusal("surely_not_installed.nets:Net")
    assert "expected a module surely_not_installed.nets" in told
    assert "install it on this device" in told


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("class Other:\n    pass\n\ndef small(a, b):\n    pass\n", "found Other, small; name one"),
        ("import torch\n", "found no class or function"),
        ("Net = 3\n", "called as Net(inputs, num_classes), found a int"),
        ("from torch import nn\nNet = nn.Flatten()\n", "found a Flatten; name what builds"),
        ("def Net(inputs)\n", "was imported: SyntaxError: expected ':'"),
        ("1 / 0\n", "was imported: ZeroDivisionError: division by zero; mend it"),
        ("import surely_missing\n", "No module named 'surely_missing'; mend it, or install"),
        ("raise SystemExit('bye')\n", "was imported: SystemExit: bye"),
        ("def Net(inputs):\n    pass\n", "got Net(inputs); give it these two"),
        ("def Net(a, b, c):\n    pass\n", "got Net(a, b, c); give it these two"),
        (returning("raise KeyError('no such size')"), "classes: KeyError: 'no such size'; mend"),
        (returning("return None"), "to return an nn.Module, got a NoneType"),
        (returning("return nn.Linear(3, 3)"), "a batch (3, 1, 8, 8) of images of 1 x 8 x 8"),
        (returning("return nn.Conv2d(1, 4, 3)"), "of shape (3, 4, 6, 6); leave the classifier out"),
        (answering("x.flatten(1).T"), "got torch.float32 of shape (64, 3)"),
        (answering("(x.flatten(1),)"), "got a tuple"),
        (answering("x.flatten(1) / 0"), "expected finite features"),
        (answering("x.flatten(1).long()"), "floating-point features of at least width 1"),
        (answering("x.flatten(1)[:, :0]"), "floating-point features of at least width 1"),
        (
            answering("x.flatten(1)") + "    def get_extra_state(self):\n        return {1: 2}\n",
            "got _extra_state of type dict; a device keeps its model",
        ),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_do(
    tmp_path: Path, source: str, told: str
) -> None:
    name = write(tmp_path, source)
    assert re.match(r"model /.*/mymodels\.py:Net: ", refusal(name))
    assert told in refusal(name)


@pytest.mark.parametrize("source", ["class Other:\n    pass\n", "Net = 3\n", "1 / 0\n"])
def test_the_server_refuses_what_lies_on_it_and_is_no_model(tmp_path: Path, source: str) -> None:
    with pytest.raises(ModelError, match=r"model .*mymodels\.py:Net"):
        catalogue.check_here(write(tmp_path, source))


def test_the_server_lets_pass_what_needs_libraries_of_the_devices(tmp_path: Path) -> None:
    catalogue.check_here(write(tmp_path, "import surely_missing\n"))


def test_only_the_name_is_shown() -> None:
    assert [catalogue.shown(name) for name in ("cnn", "/a/b.py:Net", "a.b:C")] == [
        "cnn",
        "Net",
        "C",
    ]
