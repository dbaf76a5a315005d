import json
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from loopback import Federation
from safetensors.torch import load_file

from client_app import export_adapter
from client_app.store import ClientStore
from strategies.common.adapters import export
from strategies.common.adapters.attachment import Attachment
from strategies.common.adapters.sites import find_sites
from strategies.common.errors import StoreError
from tests.strategies.tiny_backbone import TinyBackbone

SETTINGS = {
    "method": "feddat",
    "data": "digitgrid:function",
    "max-samples": 40,
    "rounds": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
}


@pytest.fixture(autouse=True)
def backbone() -> Iterator[TinyBackbone]:
    tiny = TinyBackbone()
    with patch("client_app.devices.adapter_device.loading.load", lambda *_: tiny):
        yield tiny


def words(folder: Path, out: Path, partition: int = 1, **changes: object) -> list[str]:
    changed: dict[str, object] = {**SETTINGS, "state-dir": str(folder / "state"), "device": "cpu"}
    del changed["method"]  # the state says it
    changed |= {name.replace("__", ".").replace("_", "-"): v for name, v in changes.items()}
    texts = {k: json.dumps(value) for k, value in changed.items()}
    return [
        "--run=test",
        f"--out={out}",
        f"--node-config=partition-id={partition} num-partitions=2",
        *(f"--set={key}={text}" for key, text in texts.items()),
    ]


def test_a_client_leaves_with_one_adapter_that_is_its_teacher(
    tmp_path: Path, backbone: TinyBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    out = tmp_path / "out"
    assert export_adapter.main(words(tmp_path, out)) == 0
    assert "client 1 after round 1, one adapter of rank 4 at 2 blocks" in capsys.readouterr().out

    single = export.read(out / export.BOTTLENECKS, backbone.sha256)
    stored = ClientStore(tmp_path / "state" / "test" / "1").load(1).tensors
    images = torch.randint(0, 255, (3, 3, 4, 4), dtype=torch.uint8)
    tokens = torch.ones(3, 6, dtype=torch.int64)
    with Attachment(find_sites(backbone.module)) as attachment:
        with attachment.using(single):
            found = backbone.features(images, tokens, tokens)

        def half(role: str, site: int, hidden: torch.Tensor) -> torch.Tensor:
            down, down_bias, up, up_bias = (
                stored[f"{role}/bottlenecks.{site}.{part}"]
                for part in ("down.weight", "down.bias", "up.weight", "up.bias")
            )
            return (hidden @ down.T + down_bias).relu() @ up.T + up_bias

        def both(site: int) -> object:
            return lambda hidden: (half("frozen", site, hidden) + half("local", site, hidden)) / 2

        with attachment.using([both(0), both(1)]):  # type: ignore[list-item]
            expected = backbone.features(images, tokens, tokens)
    assert torch.allclose(found, expected, atol=1e-6)
    assert len(json.loads((out / export_adapter.ANSWERS).read_text())) == 5
    assert torch.equal(
        load_file(out / export_adapter.HEAD)["head/0.weight"], stored["head/0.weight"]
    )


def test_a_state_in_a_folder_with_a_blank_is_found(tmp_path: Path) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    place = tmp_path / "my state"
    (tmp_path / "state").rename(place)
    config = f'partition-id=1 num-partitions=2 state-dir="{place}"'
    given = [word for word in words(tmp_path, tmp_path / "out") if "--node-config" not in word]
    assert export_adapter.main([*given, f"--node-config={config}"]) == 0


def test_answers_are_those_that_the_head_was_trained_for(tmp_path: Path) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    stored = ClientStore(tmp_path / "state" / "test" / "1").load(1)
    written = []
    for limit in (40, 60, 16):
        # Another number of questions makes another answer the most frequent one.
        out = tmp_path / f"out-{limit}"
        changes = {"max_samples": limit, "min_train_samples": 2}
        assert export_adapter.main(words(tmp_path, out, **changes)) == 0
        written.append(tuple(json.loads((out / export_adapter.ANSWERS).read_text())))
    assert written == [stored.origin.classes] * 3


def test_it_serves_its_own_backbone_alone(tmp_path: Path) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    export_adapter.main(words(tmp_path, tmp_path / "out"))
    with pytest.raises(StoreError, match="expected adapters for the backbone"):
        export.read(tmp_path / "out" / export.BOTTLENECKS, TinyBackbone(seed=1).sha256)


def test_a_device_without_the_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_adapter.main(words(tmp_path, tmp_path / "out")) == 1
    assert "expected the state of a client, found none; name the run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_fedadapter_leaves_with_the_clients_own_adapter(
    tmp_path: Path, backbone: TinyBackbone
) -> None:
    Federation(tmp_path, 2, {**SETTINGS, "method": "fedadapter"}).play()
    assert export_adapter.main(words(tmp_path, tmp_path / "out")) == 0
    single = export.read(tmp_path / "out" / export.BOTTLENECKS, backbone.sha256)
    stored = ClientStore(tmp_path / "state" / "test" / "1").load(1).tensors
    for name, own in single.state_dict().items():
        assert torch.equal(own, stored[f"adapter/{name}"])


@pytest.mark.parametrize("way", ["stack", "svd", "naive"])
def test_peft_loads_what_fedlora_leaves_with(
    tmp_path: Path, backbone: TinyBackbone, way: str
) -> None:
    from peft import PeftModel

    changed = {"fedlora.ranks": "2,3", "fedlora.aggregation": way, "rounds": 2}
    Federation(tmp_path, 2, {**SETTINGS, **changed, "method": "fedlora"}).play()
    out = tmp_path / "out"
    assert export_adapter.main(words(tmp_path, out)) == 0
    assert (out / "adapter_config.json").exists()
    stored = ClientStore(tmp_path / "state" / "test" / "1").load(2).tensors
    layers = ["layers.0.attention.query", "layers.0.attention.value"]
    layers += ["layers.1.attention.query", "layers.1.attention.value"]
    dense = TinyBackbone().module
    for role in ("trained", "beneath") if way == "stack" else ("trained",):
        columns = stored[role].split(8, 1)
        for name, down, up in zip(layers, columns[0::2], columns[1::2], strict=True):
            dense.get_submodule(name).weight.data += up.T @ down  # type: ignore[union-attr,operator]
    images = torch.randint(0, 255, (3, 3, 4, 4), dtype=torch.uint8)
    tokens = torch.ones(3, 6, dtype=torch.int64)
    plain = backbone.features(images, tokens, tokens)
    found = PeftModel.from_pretrained(backbone.module, str(out))(images, tokens, tokens)
    assert torch.allclose(found, dense(images, tokens, tokens), atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"adapters__rank": 3}, "StoreError: .*with these settings.*e.g. adapters.rank"),
        ({"adapters__head": "mlp"}, "StoreError: .*with these settings"),
        ({"adapters__rank": -1}, "SettingsError: setting adapters.rank"),
        ({"method": "fedadapter"}, "SettingsError: .*a run of fedadapter, got one of feddat"),
        ({"adapters__width": 3}, "SettingsError: unknown setting adapters.width"),
        (
            {"fd__distillation-weight": 0.3},
            "SettingsError: setting fd.distillation-weight: .*that feddat reads",
        ),
    ],
)
def test_what_does_not_fit_is_named_in_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], told: str
) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    capsys.readouterr()
    assert export_adapter.main(words(tmp_path, tmp_path / "out", **changes)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(told, line)
    assert [file.name for file in tmp_path.iterdir() if "out" in file.name] == []


def test_a_file_or_a_full_folder_in_the_place_of_the_output_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    capsys.readouterr()
    file = tmp_path / "file"
    file.write_text("mine")
    for out, told in ((file, "got a file"), (tmp_path, "got one with files in it")):
        assert export_adapter.main(words(tmp_path, out)) == 1
        assert told in capsys.readouterr().err
    assert export_adapter.main(words(tmp_path, file / "within")) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert export_adapter.main(words(tmp_path, Path("~nobody-of-that-name/out"))) == 1
    assert "expected a home folder of that name" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_other_methods_have_no_adapter_and_states_that_say_none_need_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ClientStore(tmp_path / "state" / "test" / "1")
    store.save(1, {"own": torch.zeros(1)}, base=0)
    assert export_adapter.main(words(tmp_path, tmp_path / "out")) == 1
    assert "add --set method=NAME" in capsys.readouterr().err
    store.save(1, {"own": torch.zeros(1)}, base=0, method="local")
    assert export_adapter.main(words(tmp_path, tmp_path / "out")) == 1
    assert "expected the state of a method with adapters, got one of local" in (
        capsys.readouterr().err
    )
