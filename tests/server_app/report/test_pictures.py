"""Pictures of a run: the last of each kind, with what they show."""

from pathlib import Path

from PIL import Image

from server_app.report.pictures import last_pictures
from server_app.run_record import read_run_record
from tests.server_app.run_folders import round_of, write_run


def draw(run: Path, number: int, *names: str) -> None:
    folder = run / "images" / f"round-{number:04d}"
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / f"{name}.png")


def test_a_picture_of_the_first_round_stays_beside_later_ones(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [round_of(n, (0.5, 0.5)) for n in (1, 2, 3)], method="fd")
    draw(run, 1, "faug-class-1", "mean-outputs")
    draw(run, 3, "mean-outputs")
    shown = str(last_pictures(read_run_record(run)))
    assert shown.count("<img") == 2
    assert shown.index("mean outputs, a row for each class") < shown.index("Drawn in round 3.")
    assert shown.index("Drawn in round 3.") < shown.index("Generated image: ")
    assert "Drawn in round 1." in shown


def test_a_run_without_pictures_shows_none(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5))])
    assert not str(last_pictures(read_run_record(run)))
