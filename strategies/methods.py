"""The table of methods: adding a method is one line here.

A method is the folder ``strategies/<name>/``; its classes are named after it, e.g.
``FedKTLSettings``, ``FedKTLClient`` and ``FedKTLServer``. A half is imported only when it
is asked for, so that a device never loads a server half.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import SettingsError
from strategies.common.method import ClientHalf, ServerHalf
from strategies.common.settings import RunConfig, RunSettings, Settings, known_name, read_table
from strategies.common.split.settings import SplitSettings

if TYPE_CHECKING:
    from generators.base import ImageGenerator

METHODS = {
    "local": "Local",
    "fedktl": "FedKTL",
    "fedproto": "FedProto",
    "fd": "FD",
    "splitfed": "SplitFed",
    "mocosfl": "MocoSFL",
    "feddat": "FedDAT",
    "fedadapter": "FedAdapter",
    "fedlora": "FedLoRA",
}


def client_half(name: str, config: RunConfig) -> ClientHalf[Any, Any, Any]:
    """Build a method's client half from the run config.

    Raises
    ------
    SettingsError
        If the method is unknown or a setting of its table is bad.
    """
    settings = method_settings(name, config)
    half = _class(name, "client", "Client")
    built: ClientHalf[Any, Any, Any] = half(settings, *_shared_settings(half, name, config))
    return built


def server_half(
    name: str,
    config: RunConfig,
    run: RunSettings,
    build_generator: Callable[[], ImageGenerator] | None = None,
) -> ServerHalf[Any, Any, Any]:
    """Build a method's server half from the run config.

    Parameters
    ----------
    name : str
        Method.
    config : RunConfig
        Flower's flat run config.
    run : RunSettings
        General settings of the run.
    build_generator : Callable[[], ImageGenerator] | None
        Called only for methods that need a generator; ``None`` where no method does.

    Raises
    ------
    SettingsError
        If the method is unknown or a setting of its table is bad.
    """
    settings = method_settings(name, config)
    half = _class(name, "server", "Server")
    arguments: tuple[ImageGenerator, ...] = ()
    if half.needs_generator:
        if build_generator is None:
            raise TypeError(f"{name}: expected a way to build its generator, got none")
        arguments = (build_generator(),)
    shared = _shared_settings(half, name, config)
    built: ServerHalf[Any, Any, Any] = half(settings, run, *shared, *arguments)
    return built


def method_settings(name: str, config: RunConfig) -> Settings:
    """Read a method's own table."""
    known_name("setting method", name, METHODS)
    kind: type[Settings] = _class(name, "settings", "Settings")
    return read_table(config, name, kind)


def exchanges(name: str) -> bool:
    """Tell whether a method exchanges activations within a round."""
    known_name("setting method", name, METHODS)
    return bool(_class(name, "client", "Client").exchanges)


def adapts(name: str) -> bool:
    """Tell whether a method trains adapters on a frozen foundation model."""
    known_name("setting method", name, METHODS)
    return bool(_class(name, "client", "Client").adapts)


def split_settings(config: RunConfig) -> SplitSettings:
    """Read the table of the data plane and of the network that is split."""
    return read_table(config, "split", SplitSettings)


def adapter_settings(config: RunConfig) -> AdapterSettings:
    """Read the table of adapters and of the model that they adapt."""
    return read_table(config, "adapters", AdapterSettings)


def display_name(name: str) -> str:
    """Return a method's name as its paper writes it."""
    return METHODS.get(name, name)


def _shared_settings(half: Any, name: str, config: RunConfig) -> tuple[Settings, ...]:
    """Read the tables that methods of a kind share, and refuse what they cannot do."""
    if half.exchanges:
        return (split_settings(config),)
    if config.get("clients-per-node", 1) != 1:
        raise SettingsError(
            f"setting clients-per-node: expected 1 for {name}, got {config['clients-per-node']}; "
            f"only methods that exchange activations carry several clients on a node"
        )
    return (adapter_settings(config),) if half.adapts else ()


def _class(name: str, module: str, suffix: str) -> Any:
    return getattr(import_module(f"strategies.{name}.{module}"), METHODS[name] + suffix)
