from pathlib import Path

import pytest
from PIL import Image

from server_app import examples
from server_app.examples import Example
from server_app.report.examples import examples as drawn
from server_app.report.page import write_report
from server_app.run_record import read_run_record
from strategies.common.errors import RunFolderError
from tests.server_app.run_folders import round_of, write_run

FOUND = (
    Example(0, "client-0-0.png", "what digit is <b> red ?", "3", "3"),
    Example(1, "../../secret.png", "what colour is it ?", "red", "blue"),
)


def finished(folder: Path) -> Path:
    run = folder / "run"
    write_run(run, [round_of(1, [0.5, 0.75])])
    return run


def run_with_examples(folder: Path) -> Path:
    run = finished(folder)
    (run / examples.FOLDER).mkdir()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(run / examples.FOLDER / "client-0-0.png")
    examples.save(run, FOUND)
    return run


def test_examples_come_back_as_they_were_kept(tmp_path: Path) -> None:
    assert examples.read(run_with_examples(tmp_path)) == FOUND


def test_the_page_shows_question_answer_and_what_is_right(tmp_path: Path) -> None:
    page = write_report(run_with_examples(tmp_path)).read_text()
    assert "Questions and answers" in page
    assert "what digit is &lt;b&gt; red ?<br><strong>3</strong> (right)" in page
    assert "<strong>blue</strong> (wrong, it is red)" in page
    assert page.count("data:image/png;base64,") >= 1


def test_a_picture_elsewhere_is_not_looked_for(tmp_path: Path) -> None:
    run = run_with_examples(tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    assert str(drawn(read_run_record(run))).count("cannot be read") == 1


def test_a_run_without_examples_has_no_such_part(tmp_path: Path) -> None:
    assert "Questions and answers" not in write_report(finished(tmp_path)).read_text()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = run_with_examples(tmp_path)
    (run / examples.FOLDER / "examples.json").write_text('[{"client": "x"}]')
    with pytest.raises(RunFolderError, match=r"examples\.json: expected questions and answers"):
        examples.read(run)
