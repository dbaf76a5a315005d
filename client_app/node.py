"""What the operator of a device says about it: the node config."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from pydantic import Field, ValidationError

from strategies.common.errors import SettingsError
from strategies.common.home import expanded
from strategies.common.run_config import RunConfig
from strategies.common.settings import RunSettings, Settings
from strategies.common.settings_changes import read_changes

# What a device says of how its data are read, in place of the run.
OF_READING: Final = ("open_data", "label_column", "input_columns", "vocabulary_file")
# As Flower tells pairs apart: what is in quotes may have blanks. What is none is a word by itself.
_WORD: Final = re.compile(r"""\S+?=(?:'[^']*'|"[^"]*"|\S+)|\S+""")


@final
class NodeConfig(Settings):
    """Node config of one device, given to ``flower-supernode --node-config``.

    Attributes
    ----------
    partition_id : int
        Which client this device is, from 0.
    num_partitions : int
        Clients in the federation; of no account where the data are this device's own.
    state_dir : str
        Folder for private state; empty uses the run's ``state-dir``.
    data : str
        This device's own data source; empty uses the run's ``data``.
    open_data : str
        Where this device holds the run's open data; empty where ``open-data`` says it.
    model : str
        This device's own model; empty takes its turn in the run's ``models``.
    label_column, input_columns, vocabulary_file : str
        Of this device's own table or texts, and where it holds the run's file of words; empty uses
        the run's.
    """

    partition_id: int = Field(ge=0)
    num_partitions: int = Field(ge=1)
    # Flower's simulation sets only the two above, so these may be absent.
    state_dir: str = ""
    data: str = ""
    open_data: str = ""
    model: str = ""
    label_column: str = ""
    input_columns: str = ""
    vocabulary_file: str = ""

    def reading(self, settings: RunSettings, keys: Sequence[str] = OF_READING) -> RunSettings:
        """Return a run's settings as this device reads data by them, or by some of its keys."""
        own = {name: getattr(self, name) for name in keys}
        return settings.model_copy(update={name: said for name, said in own.items() if said})


def read_words(text: str) -> dict[str, bool | int | float | str]:
    """Read what an operator gives with ``--node-config``, as ``flower-supernode`` reads it.

    Raises
    ------
    SettingsError
        If a word is no pair, or a key is there twice.

    Examples
    --------
    >>> read_words('partition-id=0 state-dir="/srv/my state"')
    {'partition-id': 0, 'state-dir': '/srv/my state'}
    """
    return read_changes(_WORD.findall(text), "--node-config")


def read_node(config: RunConfig) -> NodeConfig:
    """Read a node config; keys that Nectar does not know are left to others.

    Raises
    ------
    SettingsError
        If a key is missing or out of range.
    """
    known = {field.replace("_", "-") for field in NodeConfig.model_fields}
    try:
        node = NodeConfig.model_validate({k: v for k, v in config.items() if k in known})
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise SettingsError(
            f"node config {key}: {problem['msg']}, got {config.get(key)!r}; start the node with "
            f"--node-config 'partition-id=0 num-partitions=3'"
        ) from None
    if node.partition_id >= node.num_partitions:
        raise SettingsError(
            f"node config partition-id: expected 0 to {node.num_partitions - 1}, got "
            f"{node.partition_id}; partitions are counted from 0"
        )
    return node


def state_folder(node: NodeConfig, settings: RunSettings) -> Path:
    """Return the folder for this device's private state."""
    return expanded(node.state_dir or settings.state_dir, "state-dir ").resolve()
