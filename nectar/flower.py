"""Nectar's methods for whoever knows Flower: strategies of a ServerApp of one's own.

    from flwr.serverapp import ServerApp
    from nectar.flower import FedProto, simulate

    app = ServerApp()

    @app.main()
    def main(grid, context):
        FedProto(feature_dim=64, fedproto__proto_weight=1.0).start(grid, num_rounds=3)

    simulate(app, nodes=4)

Every method is here under the name that its paper writes. Nodes run Nectar's ClientApp,
``client_app.main:app``. In a deployment the app's own ``pyproject.toml`` names ``main`` as its
ServerApp, and ``flwr run`` takes the place of ``simulate``.
"""

from functools import cache
from typing import Any, Final

from flwr.serverapp import ServerApp

from local_federation.engine.play import serve_here
from nectar.settings import Asker, gather
from nectar.strategy import MethodStrategy
from nectar.untouched import untouched
from strategies.common.run_config import default_config
from strategies.common.settings import DEVICES_OWN
from strategies.methods import METHODS

_METHODS: Final = {display: method for method, display in METHODS.items()}
_ASKER: Final = Asker(
    decided=dict.fromkeys(
        default_config().keys() - DEVICES_OWN, "nodes are told by the strategy; give it to that"
    ),
    arguments={},
)


def simulate(app: ServerApp, nodes: int, **nodes_own: Any) -> None:
    """Play a ServerApp with nodes in this process, without a SuperLink.

    Clients take their turns in the thread that calls, where a debugger finds them.

    Parameters
    ----------
    app : ServerApp
        One's own.
    nodes : int
        Nodes, one for each part of the data.
    nodes_own : Any
        What a device's owner decides, by Python names (``state_dir="elsewhere"``).

    Raises
    ------
    NectarError
        If a setting is refused, or a run cannot be begun or cannot go on.
    """
    config = {**default_config(), **gather(nodes_own, asker=_ASKER)}
    with untouched():
        serve_here(app, config, nodes)


@cache
def _strategy(method: str) -> type[MethodStrategy]:
    name = METHODS[method]
    doc = f"{name} as Flower's strategy.\n\n{MethodStrategy.__doc__}"
    members = {"method": method, "__doc__": doc, "__module__": __name__}
    return type(name, (MethodStrategy,), members)


def __getattr__(name: str) -> type[MethodStrategy]:
    """Return the strategy of a method by the name that its paper writes.

    Raises
    ------
    AttributeError
        With the known ones.
    """
    if name not in _METHODS:
        known = ", ".join(_METHODS)
        raise AttributeError(f"module {__name__!r} has no {name!r}; the methods are {known}")
    return _strategy(_METHODS[name])


def __dir__() -> list[str]:
    """Return the names that are found here, for completion."""
    return sorted([*_METHODS, "MethodStrategy", "simulate"])
