"""What inputs are worth without any network, kept beside the run whose clients hold them."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from local_federation import alone
from server_app.alone_baseline import RawBaseline, read_raw
from strategies.common.run_config import default_config


def raw_beside(
    run_dir: Path, settings: Mapping[str, bool | int | float | str], num_nodes: int
) -> RawBaseline:
    """Judge a run's inputs by its own classifiers, unless that was done.

    Parameters
    ----------
    run_dir : Path
        Folder of a run of a split method.
    settings : Mapping[str, bool | int | float | str]
        Its settings that differ from the defaults.
    num_nodes : int
        Its nodes.
    """
    if kept := read_raw(run_dir):
        return kept
    config = {**default_config(), **settings}
    clients = num_nodes * int(config["clients-per-node"])
    with TemporaryDirectory() as folder:
        found = alone.judge_inputs(config, clients, Path(folder))
    alone.save((), found, run_dir)
    return found
