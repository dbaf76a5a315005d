"""Notes and failures, merged over rounds."""

from pathlib import Path

from server_app.report.notes import failures, notes
from server_app.report.page import write_report
from server_app.run_record import RunRecord, read_run_record
from tests.server_app.run_folders import node, round_of, write_run


def played(folder: Path, said: dict[int, list[str]]) -> RunRecord:
    lines = [round_of(number, (0.5, 0.5), notes=told) for number, told in said.items()]
    return read_run_record(write_run(folder, lines))


def test_a_note_that_comes_back_is_one_with_its_rounds_counted(tmp_path: Path) -> None:
    said = {1: ["a 5%"], 2: [], 3: ["a 7%", "b"], 4: ["a 1.5e-3 of 9"]}
    record = played(tmp_path / "run", {**said, 5: ["a 8%"]})
    told = [(note.told, note.holds) for note in notes(record)]
    # Numbers of the last round; "a # of #" is another sentence.
    assert told == [
        ("Rounds 1, 3, 5 (3 times): a 8%", True),
        ("Round 3: b", False),
        ("Round 4: a 1.5e-3 of 9", False),
    ]


def test_names_of_clients_are_no_numbers(tmp_path: Path) -> None:
    record = played(tmp_path / "run", {1: ["client 1 left"], 2: ["client 12 left"]})
    assert [note.told for note in notes(record)] == [
        "Round 2: client 12 left",
        "Round 1: client 1 left",
    ]


def test_two_of_one_shape_in_a_round_tell_of_two_things(tmp_path: Path) -> None:
    record = played(tmp_path / "run", {1: ["x=1", "x=2"], 2: ["x=1", "x=2"]})
    assert [note.told for note in notes(record)] == [
        "Rounds 1-2 (2 times): x=1",
        "Rounds 1-2 (2 times): x=2",
    ]


def test_clients_that_say_the_same_are_named_together(tmp_path: Path) -> None:
    lines = [round_of(1, (0.5, 0.5)), round_of(2, (0.5, 0.5))]
    lines[0]["nodes"] = {str(c): node(c, 0.5, notes=["cut"]) for c in range(2)}
    lines[1]["nodes"] = {"1": {"failure": "gone"}, "0": node(0, 0.5)}
    clients = {"0": {"notes": ["old"]}, "1": {"notes": ["old"]}}
    found = notes(read_run_record(write_run(tmp_path / "run", lines, clients=clients)))
    # Client 1 has said nothing since, so what it said last still holds.
    assert [(note.told, note.holds) for note in found] == [
        ("Round 1, client 1: cut", True),
        ("All clients: old", True),
        ("Round 1, client 0: cut", False),
    ]


def test_a_client_that_says_the_same_twice_is_named_once(tmp_path: Path) -> None:
    clients = {"0": {"notes": ["old", "old"]}, "1": {"notes": []}}
    run = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5))], clients=clients)
    assert [note.told for note in notes(read_run_record(run))] == ["Client 0: old"]


def test_failures_of_one_reason_are_one(tmp_path: Path) -> None:
    lines = [round_of(number, (0.5, 0.5)) for number in range(1, 5)]
    for line in lines[1:]:
        line["nodes"]["1"] = {"failure": "late"}
    record = read_run_record(write_run(tmp_path / "run", lines))
    assert failures(record) == ["Rounds 2-4 (3 times), client 1 (late)"]


def test_what_still_holds_stands_before_the_charts_and_only_there(tmp_path: Path) -> None:
    said = {1: ["once"], 2: [f"still {'x' * number}" for number in range(8)]}
    page = write_report(played(tmp_path / "run", said).folder).read_text()
    top, _, rest = page.partition("Over the rounds")
    assert "once" not in top
    assert "Round 1: once" in rest
    assert "Round 2: still xxxxx<" in top
    assert "still xxxxxx" not in top
    assert "2 more stand under Notes." in top
    assert "Round 2: still xxxxxx<" in rest
    assert "still xxxxx<" not in rest
