"""The command that pretrains a client model."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from strategies.common.inputs import Images
from strategies.common.run_config import default_config, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.taressfl import expert
from strategies.mocosfl.taressfl.structure import structure
from taressfl import __main__ as pretrain_front
from taressfl.settings import AttackSettings, PretrainingSettings

SMALL = (
    *("--data", "digits", "--auxiliary", "digits", "--auxiliary-images", "16", "--unseen", "8"),
    *("--epochs", "1", "--batch", "8", "--decoder", "res_normN0C8", "--decoders", "1"),
    *("--decoder-steps", "1", "--attack-decoders", "res_N0C8", "--attack-repetitions", "1"),
    *("--attack-epochs", "1", "--attack-refinement-steps", "2"),
    *("--attack-small", "dense_C8", "--attack-informed-steps", "2"),
    *("--set", "split.width=4", "--set", 'split.bottleneck="C4S2"', "--set", "seed=3"),
    *("--set", "mocosfl.projection-hidden=8", "--set", "mocosfl.projection-dim=8"),
    *("--set", "mocosfl.memory-size=32", "--set", 'server-device="cpu"'),
)


def command(out: Path, *more: str) -> Sequence[str]:
    """Return the small command with other options, each typed once but ``--set``."""
    pairs = zip(SMALL[::2], SMALL[1::2], strict=True)
    kept = [pair for pair in pairs if pair[0] == "--set" or pair[0] not in more]
    return [*(word for pair in kept for word in pair), "--out", str(out), *more]


def test_it_writes_an_expert_that_a_run_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "front.safetensors"

    # Nobody comes down to an MSE of 1e-6 in a single epoch.
    code = pretrain_front.main(command(out, "--attack-threshold", "1e-6"))

    told = capsys.readouterr().err
    split = read_table(
        {**default_config(), "split.width": 4, "split.bottleneck": "C4S2"}, "split", SplitSettings
    )
    found = expert.load(out, structure(split, Task(10, Images(1, 8, 8), 0), 8, 8))
    assert code == pretrain_front.RESISTANT
    assert "epoch 1: loss" in told
    assert "resistant: the best of 7 attackers with all that the server has" in " ".join(
        told.split()
    )
    assert found.description.provenance.seed == 3
    assert found.description.provenance.target_images == 18  # 1 % of 1789
    assert found.description.provenance.auxiliary_images == 16
    assert len(found.pictures) == 8


def test_a_client_model_that_is_read_says_so_by_its_exit_code(tmp_path: Path) -> None:
    out = tmp_path / "front.safetensors"
    # Every MSE is below this one, that of the blind guess too.
    assert pretrain_front.main(command(out, "--attack-threshold", "0.9")) == (
        pretrain_front.NOT_RESISTANT
    )
    assert out.exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--set", "split.cutt=2"], "unknown setting split.cutt"),
        (["--set", "split.cut"], "--set: expected KEY=VALUE, got split.cut"),
        (["--set", "fd.distance=kl"], "expected a setting that mocosfl reads, got 'kl'"),
        (["--epochs", "0"], "setting pretraining.epochs: Input should be greater than"),
        (["--attack-decoders", "N4"], "setting attack.decoders: String should match"),
        (["--known-fraction", "0"], "known-fraction: expected at least 2"),
        (["--data", "nothing"], "unknown source 'nothing'"),
        (["--set", 'mocosfl.expert="x"'], "expected none for a pretraining"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    out = tmp_path / "front.safetensors"

    assert pretrain_front.main(command(out, *more)) == pretrain_front.REFUSED
    assert told in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_place_within_the_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "front.safetensors"
    words = command(out, "--auxiliary", f"images:{tmp_path}")
    assert pretrain_front.main(words) == pretrain_front.REFUSED
    assert "--out: expected a place outside the data" in capsys.readouterr().err


def test_every_setting_has_a_flag_and_a_valid_default() -> None:
    for name, table, kind in (
        ("pretraining", pretrain_front.PRETRAINING, PretrainingSettings),
        ("attack", pretrain_front.ATTACK, AttackSettings),
    ):
        assert read_table({f"{name}.{k}": v for k, (v, _) in table.items()}, name, kind)


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        pretrain_front.main(["--help"])

    told = capsys.readouterr().out
    assert end.value.code == 0
    assert "--auxiliary" in told
    assert "exit codes: 0 written and resistant, 3 written but not resistant" in told
