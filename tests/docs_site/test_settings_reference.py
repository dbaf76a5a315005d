"""The reference of settings: one line each, with what pyproject and pydantic say."""

import re
from typing import Literal, final

import pytest
from pydantic import Field

from docs_site import settings_reference
from docs_site.allowed import allowed, literal
from strategies import methods
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, read_run, read_table
from strategies.common.settings import Settings

Value = bool | int | float | str
ROW = re.compile(r'^\| <a id="([^"]+)"></a>`\1` \| (.+?) \| (.+?) \| (.+) \|$', re.MULTILINE)
ROWS = ROW.findall(settings_reference.reference())
CELLS = {name: cells for name, *cells in ROWS}


def test_every_setting_has_exactly_one_line_and_nothing_else_has() -> None:
    assert sorted(name for name, *_ in ROWS) == sorted(default_config())


@pytest.mark.parametrize("key", default_config())
def test_a_line_says_default_what_is_allowed_and_what_it_means(key: str) -> None:
    default, may_be, meaning = CELLS[key]
    assert default == literal(default_config()[key])
    assert may_be.strip()
    assert re.search(r"[a-z]{3}", meaning)
    # Neither the mark-up of docstrings nor one of a table is left.
    assert not re.search(r"``|\n|:\w+:`", meaning)


def test_every_table_has_a_heading_that_can_be_linked_to() -> None:
    headings = re.findall(r"^### `(.+)`$", settings_reference.reference(), re.MULTILINE)
    assert sorted(headings) == sorted({k.split(".")[0] for k in default_config() if "." in k})


def read(key: str, value: Value) -> None:
    config = {**default_config(), key: value}
    table = key.partition(".")[0] if "." in key else ""
    if table:
        read_table(config, table, settings_reference.settings_class(table))
    else:
        read_run(config)


@pytest.mark.parametrize(
    ("key", "told", "good", "bad"),
    [
        ("rounds", "whole number, at least 1", 1, 0),
        ("rounds", "whole number, at least 1", 10**6, 2.5),
        ("feature-dim", "whole number, 0 to 65,536", 65_536, 65_537),
        ("feature-dim", "whole number, 0 to 65,536", 0, -1),
        ("test-fraction", "number, greater than 0, less than 1", 0.999, 1.0),
        ("test-fraction", "number, greater than 0, less than 1", 1e-9, 0.0),
        ("validation-share", "number, 0 to 0.5", 0.5, 0.51),
        ("split.width", "whole number, 4 to 256", 4, 3),
        ("simulated.dropout", "number, at least 0, less than 1", 0.0, 1.0),
        ("participation", "number, greater than 0, at most 1", 1.0, 1.01),
        ("channels", "`0`, `1`, `3`", 3, 2),
        ("wire-dtype", '`"float32"`, `"float16"`', "float16", "int8"),
        ("resume", "`true`, `false`", False, "false"),
        ("runs-dir", "text, not empty", "x", ""),
        ("fedktl.server-learning-rate", "'auto' or a number greater than 0", "auto", 0.0),
        ("fedktl.server-learning-rate", "'auto' or a number greater than 0", 0.5, "fast"),
    ],
)
def test_what_is_allowed_is_what_pydantic_takes(
    key: str, told: str, good: Value, bad: Value
) -> None:
    assert CELLS[key][1] == told
    read(key, good)
    with pytest.raises(SettingsError, match=re.escape(f"setting {key}")):
        read(key, bad)


def choices() -> list[tuple[str, str]]:
    found = [(key, re.fullmatch(r'`"(.*)"`', cells[1])) for key, cells in CELLS.items()]
    return [(key, choice) for key, one in found if one for choice in one[1].split('"`, `"')]


@pytest.mark.parametrize(("key", "choice"), choices())
def test_every_choice_that_is_told_can_be_read(key: str, choice: str) -> None:
    read(key, choice)


def test_choices_are_found() -> None:
    assert ("partition", "shards") in choices()


@final
class ToySettings(Settings):
    """How fast.

    Attributes
    ----------
    seed : int
        Of the noise; see ``batch_size``.
    batch_size, rounds : int
        Samples, and how often.
    """

    seed: int = Field(ge=1)
    batch_size: Literal[2]
    rounds: int


@final
class MuteSettings(Settings):
    """Says nothing of its one setting."""

    seed: int


def test_a_line_of_a_toy() -> None:
    seed, size, rounds = settings_reference.lines("", ToySettings)
    assert seed.row == (
        '| <a id="seed"></a>`seed` | `0` | whole number, at least 1 | Of the noise; see '
        "`batch-size`. |"
    )
    assert size.meaning == rounds.meaning == "`batch-size`, `rounds`: Samples, and how often."
    assert size.allowed == "`2`"


def test_a_setting_without_a_meaning_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"setting seed: expected its meaning .* MuteSettings"):
        settings_reference.lines("", MuteSettings)


def test_a_setting_without_a_default_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"toy\.seed: expected a default"):
        settings_reference.lines("toy", ToySettings)


def test_a_table_without_a_class_is_refused() -> None:
    with pytest.raises(SettingsError, match="table toy: expected its class in one of"):
        settings_reference.settings_class("toy")


@final
class PatternSettings(Settings):
    name: str = Field(pattern=r"^(a|[b]_c)?$")


def test_a_pattern_ends_no_cell_and_is_no_link() -> None:
    told = allowed(PatternSettings)["name"]
    assert told.startswith("text like <code")
    assert not set("|[]_*`") & set(told)


def test_methods_read_their_own_class() -> None:
    for name in set(settings_reference.tables()) & set(methods.METHODS):
        assert settings_reference.settings_class(name) is methods.settings_class(name)
