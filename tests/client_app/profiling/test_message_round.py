"""What a round costs: bytes worked out by hand, for every method of models of one's own."""

import io
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from federations.split_federation import OTHERS

from client_app import profile
from client_app.profiling import __main__ as measuring_process
from client_app.profiling import options, planner
from client_app.profiling.message_round import MessageWorkload, RoundFigures, measure
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images, Windows
from strategies.common.run_config import default_config

Value = bool | int | float | str
# FedKTL's server would say these.
RESOLVED: dict[str, dict[str, Value]] = {
    "fedktl": {"fedktl.transfer-weight": 50.0, "fedktl.latent-dim": 64}
}


def workload(method: str, **settings: Value) -> MessageWorkload:
    config = {**default_config(), **RESOLVED.get(method, {}), "method": method, "feature-dim": 16}
    config |= {"fedmrl.shared-dim": 16}
    return MessageWorkload({**config, **settings}, "cnn", Images(1, 8, 8), 3, 24, 6)


# Two convolutions of 32 and 64 channels over 8 pixels a side, and a head of 16 features.
CNN = (25 + 1) * 32 + (32 * 25 + 1) * 64 + (64 * 4 + 1) * 512 + 17 * 3
# Rows of 3 classes: 16 features; 3 classes; 3 classes, and pairs of an image and a vector.
NUMBERS = {
    "local": (0, 0),
    "fedavg": (4 * CNN, 4 * CNN),
    "feddf": (4 * CNN, 4 * CNN),
    # A generator of 32 + 3 inputs, 256 hidden units with batch normalisation and 16 features.
    "fedgen": (4 * CNN + 3 * 16, 4 * (CNN + 36 * 256 + 2 * 256 + 257 * 16 + 2 * 256 + 3)),
    "dsfl": (1000 * 4 * 3, 1000 * 4 * 3 + 8),
    "fedmd": (1000 * 4 * 3, 1000 * 4 * 3 + 8),
    "fedproto": (3 * (4 * 16 + 16), 3 * (4 * 16 + 8)),
    "fedtgp": (3 * (4 * 16 + 8), 3 * (4 * 16 + 8)),
    "fedgh": (3 * (4 * 16 + 8), 4 * 3 * 17),
    "lgfedavg": (4 * 3 * 17, 4 * 3 * 17),
    # The meme is the first model of the run's.
    "fml": (4 * CNN, 4 * CNN),
    # With 16 features both: four matrices, each of which may have a rank.
    "fedkd": (4 * CNN + 8 * 4, 4 * CNN + 8 * 4 + 16),
    "fedmrl": (4 * CNN, 4 * CNN),
    "fedl2g": (3 * (4 * 16 + 8), 3 * (4 * 16 + 8)),
    "fd": (3 * (4 * 3 + 8), 3 * (4 * 3 + 8)),
    "fedktl": (3 * (4 * 3 + 8), 3 * (4 * 64 + 64 + 8)),
}


@pytest.mark.parametrize("method", OTHERS)
def test_a_round_of_every_method_is_measured(method: str) -> None:
    figures = measure(workload(method))
    up, down = NUMBERS[method]
    if method == "fedkd":
        # As many as the ranks of what was learnt ask for, of at most so many.
        assert 0 < figures.bytes_up <= up + 500
        up = figures.bytes_up
    # Headers name schema, fields and shapes.
    assert up <= figures.bytes_up <= up + 500
    assert down <= figures.bytes_down <= down + 500
    assert (figures.bytes_up > 0) is (up > 0)
    assert figures.train_s > 0 < figures.test_s
    assert 0 < figures.baseline_bytes <= figures.peak_bytes


def test_a_model_that_the_server_sends_for_its_test_is_counted() -> None:
    figures = measure(workload("dsfl", **{"dsfl.server-model": "cnn"}))
    rows = 1000 * 4 * 3
    assert rows + 8 + 4 * CNN <= figures.bytes_down <= rows + 8 + 4 * CNN + 500


def test_windows_are_measured_too() -> None:
    config = {**default_config(), "method": "local", "feature-dim": 16}
    work = MessageWorkload(config, "sensor_cnn", Windows(3, 64), 4, 20, 5)
    # Convolutions of 3 and 32 channels over 9 steps, and a head of 16 features.
    expected = (3 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + 17 * 4
    assert measure(work).parameters == expected


@pytest.mark.parametrize("setting", ["fedktl.transfer-weight", "fedktl.latent-dim"])
def test_what_only_a_server_could_say_is_asked_for(setting: str) -> None:
    work = workload("fedktl", **{setting: default_config()[setting]})
    with pytest.raises(SettingsError, match="give it"):
        measure(work)


def test_other_methods_are_refused() -> None:
    with pytest.raises(SettingsError, match="train models of their own, got one that does not"):
        measure(workload("splitfed"))


def test_workloads_and_figures_pass_between_processes() -> None:
    work = workload("fd")
    assert MessageWorkload.from_json(work.to_json()) == work
    figures = RoundFigures(1, 2, 5, 0.5, 0.25, 3, 4)
    assert RoundFigures.from_json(figures.to_json()) == figures
    assert figures.extra_bytes == 3


# The planner


@pytest.mark.parametrize(
    ("limit", "found"),
    [(400, "fits"), (399, "fits with batch 8"), (60, "fits with batch 2"), (49, "does not fit")],
)
def test_a_batch_is_halved_until_it_fits(limit: int, found: str) -> None:
    # 25 bytes for each of 16 samples.
    assert planner.verdict(limit, 16, 400, lambda batch: 25 * batch) == found


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512M", 2**29), ("1.5G", 3 * 2**29), ("2 GiB", 2**31), ("4096", 4096), ("3kB", 3072)],
)
def test_amounts_of_memory_are_read(text: str, amount: int) -> None:
    assert planner.read_amount(text) == planner.limit(text) == amount


@pytest.mark.parametrize("text", ["much", "0", "-1G", "1T", "9" * 400 + "G"])
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected an amount such as 512M"):
        planner.read_amount(text)


def test_the_memory_of_this_machine_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    available = planner.limit("")
    monkeypatch.setattr(planner, "_MEMINFO", tmp_path_factory.mktemp("none") / "absent")
    assert 0 < available <= planner.limit("") * 1.01


# The command


def test_a_number_that_one_option_leaves_to_a_setting_is_the_settings() -> None:
    parser = profile._parser()
    asked = parser.parse_args(["--method=local", "--set=client-threads=7", "--set=batch-size=50"])
    config = options.round_config(asked)
    assert (config["client-threads"], config["batch-size"]) == (7, 50)
    config = options.round_config(parser.parse_args(["--method=local", "--threads=2", "--batch=5"]))
    assert (config["client-threads"], config["batch-size"]) == (2, 5)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(command: list[str], **given: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given["input"]))
        with chdir(given.get("cwd", ".")):
            status = measuring_process.main()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(command, status, told.out, told.err)

    monkeypatch.setattr(profile.subprocess, "run", run)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.usefixtures("in_this_process")
def test_the_command_tells_a_round_and_whether_it_fits(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method=fedproto", "--model=resnet4", "--image=8", "--samples=20", "--batch=4"]
    assert profile.main([*words, "--memory=64G"]) == 0
    told = capsys.readouterr().out
    assert "One client of fedproto: resnet4" in told.replace("FedProto", "fedproto")
    assert "fits: " in told
    assert told.rstrip().endswith("there are 65536 MiB")
    assert profile.main([*words, "--memory=1M"]) == 0
    assert "does not fit: " in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_sizes_and_counts_are_taken_from_data(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method=local", "--data=digits", "--set=max-samples=40", "--set=feature-dim=16"]
    assert profile.main([*words, "--json"]) == 0
    figures = RoundFigures.from_json(capsys.readouterr().out)
    assert figures.bytes_up == figures.bytes_down == 0


NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, inputs, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))
"""


@pytest.mark.usefixtures("in_this_process")
def test_a_model_of_ones_own_is_found_from_where_the_command_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    words = ["--method=local", "--image=8", "--channels=1", "--classes=3", "--samples=20", "--json"]
    assert profile.main([*words, "--model=net.py:Net"]) == 0
    assert RoundFigures.from_json(capsys.readouterr().out).parameters > 0


def test_the_measuring_process_runs_this_code_wherever_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    def run(_: list[str], **given: dict[str, str]) -> subprocess.CompletedProcess[str]:
        asked.append(given["env"])
        return subprocess.CompletedProcess([], 0, "{}", "")

    monkeypatch.setattr(profile.subprocess, "run", run)
    (tmp_path / "client_app").mkdir()
    (tmp_path / "client_app" / "__init__.py").write_text("raise ValueError")
    monkeypatch.chdir(tmp_path)
    profile.run_apart("{}", 1)
    monkeypatch.undo()
    code = "import client_app; print(client_app.__file__)"
    told = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env=asked[0])
    assert Path(told.decode().strip()) == Path(profile.__file__).with_name("__init__.py")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method=fedprox"], "--method: unknown 'fedprox'"),
        (["--method=splitfed"], "without --method a split method's step is measured"),
        (["--method=feddat"], "adapters are not"),
        (["--method=local", "--model=vgg"], "setting models: unknown 'vgg'"),
        (["--method=local", "--set=batch-sise=3"], "did you mean"),
        (["--model=cnn"], "--model: only with --method"),
        (["--set=rounds=3"], "--set: only with --method"),
        (["--memory=much"], "--memory: expected an amount"),
        *(
            (["--method=local", option], f"{option.partition('=')[0]}: only without --method")
            for option in (
                *("--network=vgg11", "--width=8", "--cut=2", "--bottleneck=C4S2"),
                *("--codec=uint8", "--gradient-codec=float16", "--steps=9", "--frozen"),
            )
        ),
        *(
            (["--method=local", "--data=digits", f"--{name}=9"], f"--{name}: only without --data")
            for name in ("image", "channels", "classes", "samples")
        ),
        (["--json", "--memory=1M"], "--memory: only without --json"),
        (["--method=local", "--json", "--memory=1M"], "--memory: only without --json"),
        (["--method=local", "--set=method=fd"], "--set method: expected once, got 'fd' and"),
        (
            ["--method=local", "--threads=2", "--set=client-threads=7"],
            "--set client-threads: expected once, got 7 and --threads 2",
        ),
        (
            ["--method=local", "--batch=5", "--set=batch-size=50"],
            "--set batch-size: expected once, got 50 and --batch 5",
        ),
        (["--method=local", "--set=device=cuda"], "--set device: expected none"),
        (["--method=local", "--set=data=digits"], "--set data: expected none"),
        (["--method=local", "--set=image-size=64"], "give --image, or --data"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profile.main(words) == 1
    assert told in capsys.readouterr().err
