"""Reading ``--methods``, ``--seeds`` and ``--grid``."""

import tomllib
from collections.abc import Sequence

from local_federation.compare.study import Value
from strategies.common.errors import SettingsError
from strategies.common.settings import LARGEST

_MOST_SEEDS = 1000


def read_methods(text: str) -> tuple[str, ...]:
    """Read names of methods.

    Raises
    ------
    SettingsError
        If there is none, one is empty, or one stands there twice.

    Examples
    --------
    >>> read_methods("fd, fedproto")
    ('fd', 'fedproto')
    """
    names = tuple(word.strip() for word in text.split(","))
    if not all(names):
        raise SettingsError(f"--methods: expected names, e.g. fd,fedproto,fedktl, got {text!r}")
    if len(set(names)) != len(names):
        raise SettingsError(f"--methods: expected each method once, got {text}")
    return names


def read_seeds(text: str) -> tuple[int, ...]:
    """Read seeds and ranges of seeds.

    Raises
    ------
    SettingsError
        If there is none, one stands there twice, or one is too large for a setting.

    Examples
    --------
    >>> read_seeds("0-2,7")
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for word in text.split(","):
        first, dash, last = (part.strip() for part in word.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise _no_seeds(text)
        bounds = int(first), int(last) if dash else int(first)
        if not bounds[0] <= bounds[1] < bounds[0] + _MOST_SEEDS:
            raise _no_seeds(text)
        seeds += range(bounds[0], bounds[1] + 1)
    if (largest := max(seeds)) > LARGEST:
        raise SettingsError(f"--seeds: expected seeds up to {LARGEST}, got {largest}")
    if len(set(seeds)) != len(seeds):
        raise SettingsError(f"--seeds: expected each seed once, got {text}")
    return tuple(seeds)


def read_grid(pairs: Sequence[str]) -> dict[str, tuple[Value, ...]]:
    """Read the ``--grid KEY=VALUE,VALUE`` words of a command line.

    Values are TOML, so that text with commas stands in quotes; what is none is taken as text.

    Raises
    ------
    SettingsError
        If a word has no equals sign or no values, or one stands there twice.

    Examples
    --------
    >>> read_grid(["fedproto.proto-weight=1,10", 'models="cnn","cnn,resnet4"'])
    {'fedproto.proto-weight': (1, 10), 'models': ('cnn', 'cnn,resnet4')}
    """
    grid: dict[str, tuple[Value, ...]] = {}
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        try:
            values = tuple(tomllib.loads(f"values = [{text}]")["values"])
        except tomllib.TOMLDecodeError:
            values = tuple(word.strip() for word in text.split(","))
        plain = all(isinstance(value, Value) and value != "" for value in values)
        if not (equals and key and values and plain):
            raise SettingsError(
                f"--grid: expected KEY=VALUE,VALUE, got {pair}; e.g. --grid learning-rate=0.01,0.1"
            )
        if key in grid or len(set(values)) != len(values):
            raise SettingsError(f"--grid {key}: expected once, and each value once, got {pair}")
        grid[key] = values
    return grid


def _no_seeds(text: str) -> SettingsError:
    return SettingsError(f"--seeds: expected numbers and ranges, e.g. 0-4 or 1,2,7, got {text!r}")
