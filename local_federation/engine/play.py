"""One run on this machine: the server in this process, its clients in workers or here as well."""

from collections.abc import Callable, Mapping

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import ServerApp

import server_app.main
from client_app.data.looked_at_once import forget_files
from local_federation.engine.answering import answer_copied, identify
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
    # Workers are forked with all that is remembered here.
    forget_files()
    at_once = resources.at_once(str(config["method"]), num_nodes)
    with Workers(at_once, resources.gpus_per_client) as workers:
        grid = EngineGrid(config, num_nodes, workers.answer, at_once)
        _serve(server_app.main.app, config, grid)


def play_here(config: Config, num_nodes: int) -> None:
    """Play a run to its end within this process, which may have threads; see `serve_here`."""
    serve_here(server_app.main.app, config, num_nodes)


def serve_here(app: ServerApp, config: Config, num_nodes: int) -> None:
    """Serve a ServerApp within this process, which may have threads.

    Clients take their turns in the thread that calls, where a debugger finds them; those that
    exchange activations wait for each other and have a thread each.

    Parameters
    ----------
    app : ServerApp
        Nectar's, or a user's own.
    config : Config
        Every setting, flat.
    num_nodes : int
        Nodes, one per partition of the data.

    Raises
    ------
    NectarError
        If the run cannot be begun or cannot go on.
    """
    identify()
    forget_files()
    grid = EngineGrid(config, num_nodes, _answer_here, 0)
    try:
        _serve(app, config, grid)
    finally:
        grid.close()


def _answer_here(message: Message, context: Context) -> Callable[[], Message]:
    reply = answer_copied(message, context)
    return lambda: reply


def _serve(app: ServerApp, config: Config, grid: EngineGrid) -> None:
    context = Context(
        run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=dict(config)
    )
    app(grid, context)
