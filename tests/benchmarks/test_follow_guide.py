"""The guide as a script follows it: every command has its machine, and none fails unseen."""

import subprocess
from pathlib import Path

from benchmarks.guide import photographs
from benchmarks.guide.plan import PLAN
from benchmarks.guide.steps import Follow, each, faults, text_of
from benchmarks.guide.told import Told, script, told

GUIDE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
_PAGE = """\
# Page
Text.

    one \\
      --more
    two  # for a reason

    three

## Section

| question | answer |
|---|---|
| Who? | `list`, or `show --all` |
| Why? | because |

| log | reason |
|---|---|
| `305` | none |
"""


def test_every_block_of_the_guide_is_followed_or_left_out_with_a_reason() -> None:
    assert list(faults(list(told(GUIDE)), PLAN)) == []


def test_a_page_tells_its_blocks_and_the_code_of_its_answers() -> None:
    assert list(told(_PAGE)) == [
        Told("Page", ("one \\\n  --more\ntwo  # for a reason",)),
        Told("Page", ("three",)),
        Told("Who?", ("list", "show --all")),
        Told("Why?", ()),
    ]


def test_a_new_block_and_one_that_is_gone_are_noticed() -> None:
    more = GUIDE.replace("## 4. A run\n", "## 4. A run\n\n    sudo reboot\n")
    assert list(faults(list(told(more)), PLAN)) == [
        "4. A run: nothing follows or leaves out: sudo reboot"
    ]
    less = GUIDE.replace("`sudo systemd/install.sh rollback`", "`undo`")
    said = list(faults(list(told(less)), PLAN))
    assert len(said) == 2
    assert said[0] == "Back again: nothing follows or leaves out: undo"
    assert said[1].startswith("Back again: expected one command that begins with 'sudo systemd'")


def test_the_second_board_is_told_its_own_partition() -> None:
    guide = list(told(GUIDE))
    calls = [
        text_of(step, guide)
        for step in each(PLAN)
        if isinstance(step, Follow) and step.machine == "pi-1"
    ]
    assert "--partition 1 --of 3" in calls[0]
    assert "--partition 0" not in calls[0]


def bash(block: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", script(block)], capture_output=True, text=True, check=False, timeout=30
    )


def test_the_first_command_that_fails_ends_a_block() -> None:
    done = bash("cd / && pwd  # here\nfalse && true\necho not reached")
    assert (done.returncode, done.stdout) == (
        1,
        "$ cd / && pwd  # here\n/\n$ false && true\n",
    )
    assert bash("false | true").returncode == 1
    assert bash("cd /\nprintf '%s ' \\\n  a b\npwd").stdout.endswith("a b $ pwd\n/\n")


def test_boards_have_photographs_of_their_own(tmp_path: Path) -> None:
    for seed in (0, 1):
        assert photographs.draw(tmp_path / str(seed), seed) == 90
    files = [tmp_path / str(seed) / "disc" / "0.jpg" for seed in (0, 1)]
    assert files[0].read_bytes() != files[1].read_bytes()
