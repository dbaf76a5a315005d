"""Whole runs over loopback: refused early, resumed exactly, and always written down."""

import json
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from flwr.app import Message

from server_app.run_record import read_run_record
from strategies.common.errors import DataError, FederationError, RunFolderError, SettingsError
from strategies.common.inputs import Images
from tests.loopback import Federation, without_clocks
from tests.server_app.small_federation import Play, player

pytestmark = pytest.mark.federation


class PowerCutError(Exception):
    """The server dies in the middle of something."""


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return partial(player(tmp_path), rounds=4)


def power_cut(kind: str, round_number: int, node_id: int) -> Callable[[int, Message], Message]:
    """Let the server die when a reply arrives: the device has done its part by then."""

    def tamper(node: int, reply: Message) -> Message:
        place = (reply.metadata.message_type, int(reply.metadata.group_id or 0), node)
        if place == (kind, round_number, node_id):
            raise PowerCutError
        return reply

    return tamper


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"method": "fedmagic"}, "setting method: unknown 'fedmagic'; the known ones are local"),
        ({"models": "cnn,perceptron"}, "setting models: unknown 'perceptron'"),
        ({"models": ""}, "setting models: unknown ''"),
        ({"data": "mnist"}, "mnist"),
        ({"generator": "painter"}, "painter"),
        ({"partition": "random"}, "setting partition: Input should be 'iid'"),
        ({"rounds": 0}, "setting rounds: "),
        ({"resume-from": 3}, "setting resume-from: expected 0 without resume=true, got 3"),
        ({"colour": "red"}, "setting colour: unknown; the known ones are "),
        ({"validation-share": 0.6}, "setting validation-share: "),
        (
            {"stop-after": 2},
            "setting stop-after: expected 0 without validation samples, got 2; set",
        ),
        (
            {"method": "splitfed", "validation-share": 0.1},
            "setting validation-share: expected 0 for splitfed, got 0.1",
        ),
        (
            {"method": "mocosfl", "simulated.dropout": 0.1},
            "setting simulated.dropout: expected 0.0 for mocosfl, got 0.1",
        ),
        ({"simulated.straggler-factor": 0.5}, "setting simulated.straggler-factor: "),
        ({"simulated.dropout": 1.0}, "setting simulated.dropout: "),
        ({"models": "cnn", "weights": "torchvision"}, "setting weights: expected a model that"),
        ({"run-name": "../outside"}, "setting run-name: "),
        ({"method": "fd", "fd.distillation-weight": -1.0}, "setting fd.distillation-weight: "),
    ],
)
def test_a_bad_setting_is_refused_before_anything_is_sent_or_written(
    tmp_path: Path, overrides: dict[str, bool | int | float | str], told: str
) -> None:
    fed = Federation(tmp_path, 2, overrides)
    with pytest.raises(SettingsError) as caught:
        fed.play()
    assert told in str(caught.value)
    assert fed.grid.sent == []
    assert list(tmp_path.iterdir()) == []


def test_a_runs_folder_that_cannot_be_written_is_refused_before_anything_is_sent(
    tmp_path: Path, federation: Play
) -> None:
    (tmp_path / "a-file").write_text("x")
    fed = federation(runs_dir=str(tmp_path / "a-file" / "runs"))
    with pytest.raises(RunFolderError, match="cannot be written"):
        fed.play()
    assert fed.grid.sent == []


def test_a_run_leaves_all_that_is_known_of_it(federation: Play) -> None:
    fed = federation(rounds=2, report=True)
    fed.play()
    names = {file.name for file in fed.run_folder.iterdir()}
    assert names >= {
        "settings.toml",
        "clients.json",
        "rounds.jsonl",
        "checkpoints",
        "report.html",
        "progress.json",
    }
    assert not [name for name in names if name.startswith(".")]
    settings = tomllib.loads((fed.run_folder / "settings.toml").read_text())["settings"]
    assert settings == fed.config
    progress = json.loads((fed.run_folder / "progress.json").read_text())
    assert progress == {"round": 2, "rounds": 2, "phase": "finished"}
    record = read_run_record(fed.run_folder)
    assert list(record.clients) == [0, 1]
    assert [line.round_number for line in record.rounds] == [1, 2]
    assert record.clients[0].train_samples == 30


def test_a_run_without_a_name_is_named_after_its_method(federation: Play) -> None:
    fed = federation(rounds=1, run_name="")
    with pytest.raises(FileNotFoundError):
        fed.play()  # the loopback looks for the run under its empty name
    (folder,) = Path(str(fed.config["runs-dir"])).iterdir()
    assert folder.name.startswith("local-2")
    assert (folder / "rounds.jsonl").exists()
    settings = tomllib.loads((folder / "settings.toml").read_text())["settings"]
    assert settings["run-name"] == folder.name


@pytest.mark.parametrize(
    ("method", "message", "round_number", "node_id"),
    [
        ("local", "query", 0, 101),
        ("local", "train", 1, 101),
        ("fd", "train", 3, 100),
        ("fd", "train", 4, 101),
    ],
)
def test_a_run_that_was_cut_off_ends_as_an_uninterrupted_one(
    federation: Play, method: str, message: str, round_number: int, node_id: int
) -> None:
    undisturbed = federation(2, "undisturbed", method=method).play()
    fed = federation(2, "cut", method=method)
    fed.grid.tamper = power_cut(message, round_number, node_id)
    with pytest.raises(PowerCutError):
        fed.play()
    resumed = federation(2, "cut", method=method, resume=True)
    assert without_clocks(resumed.play()) == without_clocks(undisturbed)


def test_a_resumed_run_draws_the_same_clients_in_the_same_rounds(federation: Play) -> None:
    changes = {"participation": 0.5, "evaluate_every": 2, "rounds": 6}
    undisturbed = federation(2, "undisturbed", **changes).play()
    fed = federation(2, "cut", **changes)
    seen: list[int] = []

    def cut(node: int, reply: Message) -> Message:
        seen.append(node)
        if len(seen) == 8:
            raise PowerCutError
        return reply

    fed.grid.tamper = cut
    with pytest.raises(PowerCutError):
        fed.play()
    resumed = federation(2, "cut", resume=True, **changes)
    assert without_clocks(resumed.play()) == without_clocks(undisturbed)


def cut_within_a_round(fed: Federation, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    from server_app.checkpoints import Checkpoints
    from server_app.run_folder import RunFolder

    def die(*_: object, **__: object) -> None:
        raise PowerCutError

    owner = {"save": Checkpoints, "append": RunFolder}[what]
    keep = getattr(owner, what)
    calls: list[int] = []

    def third(self: object, *args: object, **kwargs: object) -> None:
        calls.append(1)
        (die if len(calls) == 3 else keep)(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, what, third)
        with pytest.raises(PowerCutError):
            fed.play()


@pytest.mark.parametrize("what", ["save", "append"])
def test_a_cut_before_or_after_the_checkpoint_loses_no_round(
    federation: Play, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    undisturbed = federation(2, "undisturbed", method="fd").play()
    fed = federation(2, "cut", method="fd")
    cut_within_a_round(fed, monkeypatch, what)
    assert [line["round"] for line in fed.lines()] == [1, 2]
    resumed = federation(2, "cut", method="fd", resume=True)
    assert without_clocks(resumed.play()) == without_clocks(undisturbed)
    # Round 3 was played again and continued from round 2 on every device.
    assert {n["continued_from"] for n in resumed.lines()[2]["nodes"].values()} == {2}


def test_a_line_that_the_cut_left_half_written_is_played_again(federation: Play) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "cut")
    fed.play()
    journal = fed.run_folder / "rounds.jsonl"
    journal.write_text(journal.read_text()[:-20])
    assert without_clocks(federation(2, "cut", resume=True).play()) == without_clocks(undisturbed)


def test_damage_in_the_middle_of_the_journal_throws_nothing_away(federation: Play) -> None:
    fed = federation(2, "cut", rounds=3)
    fed.play()
    journal, checkpoints = fed.run_folder / "rounds.jsonl", fed.run_folder / "checkpoints"
    whole = journal.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    for damaged, told in (
        (first + second[:40] + b"\0" + second[41:] + third, "rounds.jsonl line 2: expected"),
        (first, "expected rounds up to 3, whose checkpoint is there, found 1"),
        (b"", "expected rounds up to 3, whose checkpoint is there, found 0"),
    ):
        journal.write_bytes(damaged)
        resumed = federation(2, "cut", rounds=4, resume=True)
        with pytest.raises(RunFolderError, match=told):
            resumed.play()
        assert resumed.grid.sent == []
        assert journal.read_bytes() == damaged
    journal.write_bytes(whole)
    checkpoints.rename(checkpoints.with_name("gone"))
    with pytest.raises(RunFolderError, match="expected the checkpoint of round 3 or of one before"):
        federation(2, "cut", rounds=4, resume=True).play()
    assert journal.read_bytes() == whole


@pytest.mark.parametrize("missing", [False, True])
def test_a_lost_checkpoint_is_passed_over_and_its_round_played_again(
    federation: Play, caplog: pytest.LogCaptureFixture, *, missing: bool
) -> None:
    undisturbed = federation(2, "undisturbed", method="fd").play()
    fed = federation(2, "cut", method="fd")
    played = fed.play()
    newest = fed.run_folder / "checkpoints" / "round-000004.safetensors"
    if missing:
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:-1])
    resumed = federation(2, "cut", method="fd", resume=True)
    assert without_clocks(resumed.play()) == without_clocks(undisturbed)
    assert [m.metadata.group_id for m in resumed.grid.sent][-2:] == ["4", "4"]
    # What was played of it is kept, and told of.
    aside = fed.run_folder / "rounds.jsonl.before-resume-from-3"
    assert [json.loads(line) for line in aside.read_text().splitlines()] == played[3:]
    assert f"the rounds after round 3 of 4 are kept in {aside}" in caplog.text


def test_nothing_is_left_behind_where_going_on_is_refused(
    federation: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = federation(2, "cut", rounds=3)
    fed.play()
    before = {file: file.read_bytes() for file in fed.run_folder.rglob("*") if file.is_file()}

    def refuse(*_: object) -> None:
        raise DataError("other open data")

    with monkeypatch.context() as patched:
        patched.setattr("server_app.run.require_open_set", refuse)
        with pytest.raises(DataError, match="other open data"):
            federation(2, "cut", rounds=5, resume=True, resume_from=1).play()
    after = {file: file.read_bytes() for file in fed.run_folder.rglob("*") if file.is_file()}
    assert after == before


def test_a_finished_run_may_be_given_more_rounds(federation: Play) -> None:
    longer = federation(2, "longer", rounds=4).play()
    federation(2, "short", rounds=2).play()
    fed = federation(2, "short", rounds=4, resume=True)
    assert without_clocks(fed.play()) == without_clocks(longer)


def test_what_a_run_is_gone_on_with_is_written_down(federation: Play) -> None:
    fed = federation(2, "short", rounds=2)
    fed.play()
    begun = tomllib.loads((fed.run_folder / "settings.toml").read_text())
    for rounds, told in ((3, 3), (1, 3)):  # three rounds have been played by then
        federation(2, "short", rounds=rounds, resume=True, round_deadline_s=90.0).play()
        saved = tomllib.loads((fed.run_folder / "settings.toml").read_text())
        own = {**begun["settings"], "rounds": told, "round-deadline-s": 90.0}
        assert saved == {**begun, "settings": own}


def test_a_finished_run_is_not_played_again(federation: Play) -> None:
    federation(rounds=2).play()
    again = federation(rounds=2, resume=True)
    assert len(again.play()) == 2
    assert again.grid.sent == []
    with pytest.raises(RunFolderError, match="holds a run already"):
        federation(rounds=2).play()


def test_a_run_is_resumed_only_with_what_it_began_with(federation: Play) -> None:
    federation(rounds=1).play()
    fed = federation(rounds=2, resume=True, seed=3, learning_rate=0.5)
    with pytest.raises(RunFolderError) as caught:
        fed.play()
    assert "learning-rate was 0.1 and is 0.5; seed was 0 and is 3" in str(caught.value)
    assert fed.grid.sent == []
    assert len(fed.lines()) == 1


def test_resuming_needs_a_run_and_its_name(federation: Play) -> None:
    with pytest.raises(RunFolderError, match="holds no run to resume"):
        federation(resume=True).play()
    with pytest.raises(RunFolderError, match="expected a run-name, got none"):
        federation(resume=True, run_name="").play()


def coloured(folder: Path) -> str:
    """Write two classes of small colour images and return them as a data source."""
    from PIL import Image

    for shade, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(15):
            image = Image.new("RGB", (8, 8), (100 * shade, number, 0))
            image.save(folder / name / f"{number}.png")
    return f"folder:{folder}"


def test_a_resumed_run_holds_all_clients_to_the_task_it_began_with(
    federation: Play, tmp_path: Path
) -> None:
    federation(rounds=1).play()
    fed = federation(rounds=2, resume=True)
    for node in (100, 101):
        data = coloured(tmp_path / f"images-{node}")
        fed.grid.node_configs[node] = {**fed.grid.node_configs[node], "data": data}
    with pytest.raises(FederationError) as caught:
        fed.play()
    told = f"expected 10 classes of {Images(1, 8, 8)}, got 2 classes of {Images(3, 8, 8)}"
    assert str(caught.value).count(told) == 1
    assert "client 0 (cnn), client 1 (cnn): " in str(caught.value)
    assert len(fed.lines()) == 1


def test_a_run_that_found_no_nodes_says_so_although_there_is_nothing_to_report(
    federation: Play,
) -> None:
    fed = federation(quorum_timeout_s=0.2, report=True)
    fed.grid.offline = {100, 101}
    with pytest.raises(FederationError, match="got 0 after"):
        fed.play()
    progress = json.loads((fed.run_folder / "progress.json").read_text())
    assert (progress["round"], progress["phase"]) == (0, "failed")
    # It may simply be started again.
    assert len(federation(rounds=1).play()) == 1


def test_a_run_is_compared_with_another_only_if_there_is_one(federation: Play) -> None:
    fed = federation(rounds=1, compare_with="floor")
    with pytest.raises(RunFolderError, match="floor: holds no run to compare with"):
        fed.play()
    assert fed.grid.sent == []
    federation(rounds=1, run_name="floor").play()
    assert len(fed.play()) == 1


def test_the_process_is_left_as_it_was(federation: Play) -> None:
    import torch

    before = (torch.get_rng_state(), torch.get_num_threads())
    federation(rounds=1, method="fd", server_threads=2, client_threads=2).play()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
