"""Tables of settings: which run reads them, and whether what stands in them can be read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from strategies import methods
from strategies.common import simulated
from strategies.common.errors import SettingsError
from strategies.common.run_config import RunConfig, read_table
from strategies.common.settings import Settings
from strategies.common.settings_changes import changed_tables

# Tables that methods of a kind share; the others are those of image generators.
SHARED: Final[Mapping[str, Callable[[RunConfig], Settings]]] = {
    "split": methods.split_settings,
    "adapters": methods.adapter_settings,
    simulated.TABLE: simulated.read_simulated,
    methods.AUGMENTATION: methods.augmentation_settings,
}


def check(config: RunConfig) -> None:
    """Refuse what cannot be read in a changed table of a method or of a kind, whoever reads it.

    Parameters
    ----------
    config : RunConfig
        Flower's flat run config.

    Raises
    ------
    SettingsError
        If a key is unknown, missing or out of range.
    """
    for table in sorted(changed_tables(config)):
        if table in methods.METHODS:
            read_table(config, table, methods.settings_class(table))
        elif table in SHARED:
            SHARED[table](config)


def check_read(given: Mapping[str, bool | int | float | str], runs: Sequence[RunConfig]) -> None:
    """Refuse settings of tables that none of a command's runs reads: they would change nothing.

    Methods themselves refuse conditions that they do not simulate.

    Parameters
    ----------
    given : Mapping[str, bool | int | float | str]
        What the user set, flat.
    runs : Sequence[RunConfig]
        Settings of each run in full.

    Raises
    ------
    SettingsError
        With who would read it.
    """
    for key, value in given.items():
        table, dot, _ = key.partition(".")
        if not dot or table == simulated.TABLE:
            continue
        if not any(_reads(run, key) and run[key] == value for run in runs):
            names = " or ".join(dict.fromkeys(str(run["method"]) for run in runs))
            raise SettingsError(
                f"setting {key}: expected a setting that {names} reads, got {value!r}; leave it "
                f"out, or choose {_reader(table, key)}"
            )


def _reads(run: RunConfig, key: str) -> bool:
    table = key.partition(".")[0]
    if table == methods.AUGMENTATION and run["augmentation"] != methods.AUGMENTATION:
        return False
    drawn = str(run["generator"]).partition(":")[0]
    return methods.reads(str(run["method"]), key) and (not _is_generators(table) or table == drawn)


def _reader(table: str, key: str) -> str:
    readers = [name for name in methods.METHODS if methods.reads(name, key)]
    told = f"the method {' or '.join(readers)}"
    if table == methods.AUGMENTATION:
        return f"{told} and augmentation={methods.AUGMENTATION}"
    return f"{told} and the generator {table}" if _is_generators(table) else told


def _is_generators(table: str) -> bool:
    return table not in methods.METHODS and table not in SHARED
