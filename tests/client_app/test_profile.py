"""What a client costs: figures worked out by hand, and the command in processes of its own."""

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from client_app import profile
from client_app.profiling import __main__ as measuring_process
from client_app.profiling import memory
from client_app.profiling.figures import DeviceFigures, Workload
from client_app.profiling.measurement import measure
from client_app.profiling.step import DeviceStep
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.run_config import default_config, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from tests.fresh_processes import FreshProcesses

ROOT = Path(__file__).parents[2]
Value = bool | int | float | str


def workload(batch: int = 1, *, side: int = 32, frozen: bool = False, **split: Value) -> Workload:
    named = {f"split.{key.replace('_', '-')}": value for key, value in split.items()}
    settings = read_table({**default_config(), **named}, "split", SplitSettings)
    return Workload(settings, Task(1, Images(3, side, side), 0), batch, 1, frozen, 1)


# The figures


def test_parameters_and_traffic_of_the_published_client() -> None:
    # 4 x 16 x 16 numbers of 4 bytes: twice up and once down.
    figures = measure(workload(cut=1, bottleneck="C4S2"))
    assert figures.front == "resnet18 cut 1, C4S2"
    assert figures.parameters == 4_164
    assert figures.model_bytes == 4 * 4_164
    assert (figures.bytes_up, figures.bytes_down) == (2 * 4_096, 4_096)
    assert 0 < figures.median_ms <= figures.p90_ms
    assert 0 < figures.baseline_bytes <= figures.peak_bytes
    assert figures.extra_bytes == figures.peak_bytes - figures.baseline_bytes


@pytest.mark.parametrize(
    ("codec", "gradient_codec", "up", "down"),
    [
        # Each has 4 channels of 4 x 4 numbers for each of 3 samples: 192 numbers.
        ("float32", "float32", 2 * 192 * 4, 192 * 4),
        # The gradient has one scale of 4 bytes.
        ("float16", "float16", 2 * 192 * 2, 192 * 2 + 4),
        # One scale for each sample-channel.
        ("uint8", "float32", 2 * (192 + 12 * 4), 192 * 4),
    ],
)
def test_bytes_go_by_the_codec(codec: str, gradient_codec: str, up: int, down: int) -> None:
    codecs = {"codec": codec, "gradient_codec": gradient_codec}
    work = workload(3, side=8, width=8, bottleneck="C4S2", **codecs)
    figures = measure(work)
    assert (figures.bytes_up, figures.bytes_down) == (up, down)
    step = DeviceStep(work)
    assert 2 * step.encode(step.forward(step.view())) == up


def test_operations_are_two_for_every_multiplication() -> None:
    figures = measure(workload(2, cut=1))
    # The stem's 3*64*9 weights at 32*32 positions, for two images.
    forward = 2 * 2 * 1_728 * 1_024
    assert (figures.online_flops, figures.momentum_flops) == (forward, forward)
    # Weights have a gradient; the images need none.
    assert figures.backward_flops == forward


@pytest.mark.parametrize("network", ["resnet18", "mobilenetv2"])
def test_the_backward_pass_costs_two_forward_passes_but_for_the_images(network: str) -> None:
    shallow, deep = (measure(workload(network=network, width=8, cut=cut)) for cut in (1, 4))
    assert deep.backward_flops == 2 * deep.online_flops - shallow.online_flops


def test_a_frozen_client_computes_two_views_and_takes_nothing_in() -> None:
    learning, frozen = (measure(workload(cut=1, frozen=frozen)) for frozen in (False, True))
    assert (frozen.online_flops, frozen.momentum_flops) == (learning.online_flops,) * 2
    assert (frozen.backward_flops, frozen.bytes_down) == (0, 0)
    assert frozen.bytes_up == learning.bytes_up


def test_the_step_that_is_measured_is_a_real_one() -> None:
    def weights(step: DeviceStep) -> tuple[torch.Tensor, torch.Tensor]:
        return step._online.detach().clone(), step._momentum.clone()

    step = DeviceStep(workload(2, side=8, width=8))
    online, momentum = weights(step)
    step.run()
    moved, _ = weights(step)
    assert not torch.equal(moved, online)
    step.run()
    # The momentum model stands still in the first step, when both are alike.
    _, followed = weights(step)
    assert torch.allclose(followed, 0.99 * momentum + 0.01 * moved, atol=1e-7)

    frozen = DeviceStep(workload(2, side=8, width=8, frozen=True))
    before = weights(frozen)
    frozen.run()
    assert all(map(torch.equal, weights(frozen), before))


def test_a_network_that_cannot_be_cut_so_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected 1 to 9"):
        measure(workload(cut=10))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts peaks")
def test_the_peak_is_noticed_and_begins_anew() -> None:
    # In a small process of its own: of a large one the system takes pages back meanwhile.
    code = (
        "from client_app.profiling import memory\n"
        "memory.reset_peak()\n"
        "before = memory.resident_bytes()\n"
        "block = bytearray(b'1') * 2**26\n"
        "print(memory.peak_bytes() - before, memory.resident_bytes() - before)\n"
        "del block\n"
        "memory.reset_peak()\n"
        "print(memory.peak_bytes() - before)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    peak, held, afterwards = map(int, told.stdout.split())
    assert peak > 0.9 * 2**26
    assert held > 0.9 * 2**26
    assert afterwards < 0.5 * 2**26


def test_memory_is_known_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = memory.peak_bytes()
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "absent" / "too")
    memory.reset_peak()
    assert memory.resident_bytes() == memory.peak_bytes() >= 0.5 * expected


def test_workloads_and_figures_pass_between_processes() -> None:
    work = workload(4, frozen=True, bottleneck="noRELU_C8S1", codec="uint8")
    assert Workload.from_json(work.to_json()) == work
    figures = DeviceFigures("a", 1, 2, 3, 4, 5, 6, 7, 8, 9.5, 10.25)
    assert DeviceFigures.from_json(figures.to_json()) == figures
    assert json.loads(figures.to_json()) == dataclasses.asdict(figures)


# The command

SMALL = ("--width", "8", "--cut", "1", "--image", "8", "--channels", "1", "--steps", "2")
GUARDED = """
import import_guard, runpy, sys
import_guard.install()
try:
    runpy.run_module("client_app.profiling", run_name="__main__")
finally:
    sys.stderr.write(" ".join(name for name in import_guard.ONCE if name in sys.modules))
"""


@pytest.mark.thorough
def test_the_measuring_process_imports_what_a_device_imports(
    fresh_processes: FreshProcesses,
) -> None:
    done = fresh_processes.run(
        *("-c", GUARDED),
        stdin=workload(side=8, width=8).to_json(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
    )
    # Counting operations brings in torch's compiler, which a device does without.
    assert (done.returncode, done.stderr) == (0, "torch._dynamo")
    # 27 weights for each of 8 filters, and 16 of the normalisation.
    assert DeviceFigures.from_json(done.stdout).parameters == 232


@pytest.mark.thorough
def test_the_command_writes_json(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fresh_processes: FreshProcesses,
) -> None:
    def fresh(command: list[str], **given: str) -> subprocess.CompletedProcess[str]:
        assert command[0] == sys.executable
        return fresh_processes.run(*command[1:], stdin=given["input"], env=given["env"])

    monkeypatch.setattr(profile.subprocess, "run", fresh)
    assert profile.main([*SMALL, "--codec", "float16", "--json"]) == 0
    figures = DeviceFigures.from_json(capsys.readouterr().out)
    assert figures.parameters == 8 * 9 + 16
    assert (figures.bytes_up, figures.bytes_down) == (2 * 512 * 2, 512 * 4)


def test_what_the_measuring_process_refuses_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_this_process(command: list[str], **given: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given["input"]))
        status = measuring_process.main()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(command, status, told.out, told.err)

    monkeypatch.setattr(profile.subprocess, "run", in_this_process)
    cut = SMALL.index("--cut") + 1
    assert profile.main([*SMALL[:cut], "10", *SMALL[cut + 1 :]]) == 1
    told = capsys.readouterr()
    assert told.err == "setting split.cut: expected 1 to 9, the modules of resnet18, got 10\n"
    assert told.out == ""


def test_the_table_names_every_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mebi = 2**20
    figures = DeviceFigures(
        "some front", 78_148, 300 * mebi, 304 * mebi, 10**6, 3 * 10**6, 10**6, 8_192, 4_096, 5, 7
    )
    asked: list[Workload] = []
    monkeypatch.setattr(profile, "measure_apart", lambda work: asked.append(work) or figures)
    monkeypatch.setenv("COLUMNS", "100")
    assert profile.main(["--batch", "2", "--frozen", "--bottleneck", "C4S2"]) == 0
    told = capsys.readouterr().out
    assert "some front, frozen; 2 x 3 x 32 x 32 per step" in told
    for value in ("78,148", "4.0 MiB", "304 MiB", "5.0 MFLOP", "8,192 B", "5.00 ms", "7.00 ms"):
        assert value in told
    (work,) = asked
    defaults = default_config()
    assert (work.batch, work.frozen, work.threads) == (2, True, 1)
    assert work.settings.bottleneck == "C4S2"
    assert work.settings.cut == defaults["split.cut"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--width", "3"], "setting split.width"),
        (["--network", "resnet19"], "setting split.network"),
        (["--bottleneck", "C4S3"], "setting split.bottleneck"),
    ],
)
def test_settings_that_are_not_allowed_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profile.main(arguments) == 1
    assert told in capsys.readouterr().err


def test_what_does_not_fit_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = workload(batch=10**12)
    monkeypatch.setattr(sys, "stdin", io.StringIO(huge.to_json()))
    assert measuring_process.main() == 1
    told = capsys.readouterr().err
    assert told.startswith("does not fit: the measuring process got no memory (")
    assert len(told.splitlines()) == 1


def test_only_methods_that_are_measured_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        profile.main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    (named,) = re.findall(r"measure a round of it: (.*?) --", told)
    assert "fedproto" in named
    for refused in ("splitfed", "mocosfl", "feddat", "fedadapter", "fedlora"):
        assert refused not in named


def test_numbers_out_of_range_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("0", "many", "99999999999"):
        with pytest.raises(SystemExit):
            profile.main(["--batch", wrong])
        assert f"a whole number from 1 to 1000000, got '{wrong}'" in capsys.readouterr().err


def test_a_process_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(profile.subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(SettingsError, match=r"got signal 9.*memory is short"):
        profile.measure_apart(workload())
