"""Options that are typed twice."""

from pathlib import Path

import pytest

from strategies.common.typed_once import CommandLine

ROOT = Path(__file__).parents[3]
PRODUCT = ("client_app", "generators", "local_federation", "server_app", "taressfl")


def parser() -> CommandLine:
    outer = CommandLine(prog="p")
    inner = outer.add_subparsers(dest="kind").add_parser("play")
    inner.add_argument("runs", nargs="*")
    inner.add_argument("--clients", type=int, default=3)
    inner.add_argument("--set", action="append", default=[])
    inner.add_argument("--replace", action="store_true")
    return outer


def test_what_is_typed_once_is_taken_and_lists_grow() -> None:
    known = parser()
    for _ in range(2):  # A parser may read more than one line.
        words = ["--clients", "5", "--set", "x=1", "--set", "x=2", "--replace"]
        asked = known.parse_args(["play", "a", "b", *words])
        assert (asked.runs, asked.clients, asked.set) == (["a", "b"], 5, ["x=1", "x=2"])
        assert asked.replace
    assert known.parse_args(["play"]).clients == 3


@pytest.mark.parametrize("second", ["3", "4"])
def test_what_is_typed_twice_is_refused_with_both(
    capsys: pytest.CaptureFixture[str], second: str
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["play", "--clients", "3", f"--clients={second}"])
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"p play: error: argument --clients: expected once, got 3 and {second}"


def test_every_command_with_options_that_hold_a_value_refuses_it() -> None:
    # These run where the apps are not installed, and have but flags.
    spared = {ROOT / "local_federation" / "containers.py"}
    plain = {
        path
        for name in PRODUCT
        for path in (ROOT / name).rglob("*.py")
        if "ArgumentParser(" in path.read_text(encoding="utf-8")
    }
    assert plain == spared
