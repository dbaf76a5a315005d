"""Long work says how far it has come, on a terminal and elsewhere."""

import io
import sys

import pytest
from rich.console import Console

from strategies.common import long_work
from strategies.common.long_work import LongWork


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(long_work.time, "monotonic", found)
    return found


def test_lines_come_now_and_then_where_nothing_moves(clock: Clock) -> None:
    out = io.StringIO()
    with LongWork("pretraining", 40, Console(file=out, width=20)) as work:
        for step in range(40):
            clock.now = step * 1.0
            work.advance(told=f"loss {step}")
    lines = out.getvalue().splitlines()
    # One each ten seconds, whole even where lines are short.
    assert [line.split(" · ")[:2] for line in lines] == [
        [f"pretraining {step + 1}/40", f"loss {step}"] for step in (10, 20, 30)
    ]
    assert all(line.endswith(" left") for line in lines)


def test_short_work_says_nothing(clock: Clock) -> None:
    out = io.StringIO()
    with LongWork("classifying", 3, Console(file=out)) as work:
        for _ in range(3):
            clock.now += 3.0
            work.advance()
    assert not out.getvalue()


def test_several_steps_count_at_once(clock: Clock) -> None:
    out = io.StringIO()
    with LongWork("drawing", 8, Console(file=out)) as work:
        work.advance(3)
        clock.now = 11.0
        work.advance(5)
    assert out.getvalue().strip() == "drawing 8/8"


def test_a_bar_is_drawn_on_a_terminal_and_taken_away(clock: Clock) -> None:
    out = io.StringIO()
    with LongWork("pretraining", 2, Console(file=out, force_terminal=True, width=80)) as work:
        clock.now = 11.0
        work.advance(told="loss 0.500")
    shown = out.getvalue()
    assert "1/2" in shown
    assert "loss 0.500" in shown
    assert " · " not in shown


def test_results_reach_a_file_while_a_bar_moves(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with LongWork("classifying", 2, Console(file=screen, force_terminal=True)) as work:
        sys.stdout.write("cat.png  cat\n")
        work.advance()
    assert capsys.readouterr().out == "cat.png  cat\n"
    assert "cat.png" not in screen.getvalue()
