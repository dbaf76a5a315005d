"""One run on this machine: the server in this process, its clients in workers."""

from collections.abc import Mapping

from flwr.app import Context, RecordDict

import server_app.main
from local_federation.engine.answering import identify
from local_federation.engine.grid import EngineGrid
from local_federation.engine.resources import Resources
from local_federation.engine.workers import Workers

Config = Mapping[str, bool | int | float | str]


def play(config: Config, num_nodes: int, resources: Resources) -> None:
    """Play a run to its end; the process must not have started any thread.

    Parameters
    ----------
    config : Config
        Every setting, flat.
    num_nodes : int
        Nodes, one per partition of the data.
    resources : Resources
        What they share.

    Raises
    ------
    NectarError
        If the run cannot be begun or cannot go on.
    """
    identify()
    at_once = resources.at_once(str(config["method"]), num_nodes)
    with Workers(at_once, resources.gpus_per_client) as workers:
        grid = EngineGrid(config, num_nodes, workers.answer, at_once)
        context = Context(
            run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=dict(config)
        )
        server_app.main.app(grid, context)
