"""The table of methods: adding a method is one line here.

A method is the folder ``strategies/<name>/``; its classes are named after it, e.g.
``FedKTLSettings``, ``FedKTLClient`` and ``FedKTLServer``. A half is imported only when it
is asked for, so that a device never loads a server half.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch

from strategies.common import simulated
from strategies.common.adapters.halves import AdapterClientHalf
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.agreed import Need
from strategies.common.errors import SettingsError
from strategies.common.message import MessageClient
from strategies.common.method import AnyClientHalf, AnyServerHalf
from strategies.common.presentation import Presentation
from strategies.common.provided import Provided
from strategies.common.run_config import RunConfig, default_config, known_name, read_table
from strategies.common.settings import RunSettings, Settings
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.settings import SplitSettings
from strategies.faug.presentation import augmented
from strategies.faug.settings import FAugSettings

METHODS = {
    "local": "Local",
    "fedavg": "FedAvg",
    "fedktl": "FedKTL",
    "fedproto": "FedProto",
    "fedtgp": "FedTGP",
    "fedgh": "FedGH",
    "lgfedavg": "LGFedAvg",
    "fml": "FML",
    "fedkd": "FedKD",
    "fedmrl": "FedMRL",
    "fedl2g": "FedL2G",
    "fd": "FD",
    "dsfl": "DSFL",
    "fedmd": "FedMD",
    "feddf": "FedDF",
    "fedgen": "FedGen",
    "splitfed": "SplitFed",
    "mocosfl": "MocoSFL",
    "feddat": "FedDAT",
    "fedadapter": "FedAdapter",
    "fedlora": "FedLoRA",
}
# Names that papers write in a way that no class can be called.
_AS_WRITTEN = {"dsfl": "DS-FL", "lgfedavg": "LG-FedAvg"}
# General settings that clients with models of their own read, and no others do.
_OF_MODELS = (
    *("weights", "initial-weights", "batches"),
    *("optimiser", "momentum", "weight-decay", "schedule"),
)

# The table of what may come before the first round.
AUGMENTATION = "faug"
# Tables that methods of a kind share; the others are those of image generators.
_TABLES = {"split": Need.SPLIT, "adapters": Need.ADAPTERS}

_NONE = "none"

# What only the app that runs a half can make, by need.
Makers = Mapping[Need, Any]


def client_half(
    name: str, config: RunConfig, run: RunSettings, device: torch.device, makers: Makers
) -> AnyClientHalf:
    """Build a method's client half from the run config.

    Parameters
    ----------
    name : str
        Method.
    config : RunConfig
        Flower's flat run config, with what the server resolved in it.
    run : RunSettings
        General settings of the run.
    device : torch.device
        Where the client computes.
    makers : Mapping[Need, Any]
        How to make what cannot be read from the config.

    Raises
    ------
    SettingsError
        If the method is unknown or a setting of its table is bad.
    """
    kind: type[AnyClientHalf] = client_class(name)
    settings = method_settings(name, config)
    return kind(settings, _provided(kind, settings, config, run, device, makers))


def server_half(
    name: str, config: RunConfig, run: RunSettings, device: torch.device, makers: Makers
) -> AnyServerHalf:
    """Build a method's server half from the run config; see :func:`client_half`."""
    settings = method_settings(name, config)
    kind: type[AnyServerHalf] = _class(name, "server", "Server")
    return kind(settings, _provided(kind, settings, config, run, device, makers))


def client_class(name: str) -> type[AnyClientHalf]:
    """Return the class of a method's client half.

    Raises
    ------
    SettingsError
        If there is no such method.
    """
    known_name("setting method", name, METHODS)
    kind: type[AnyClientHalf] = _class(name, "client", "Client")
    return kind


def method_settings(name: str, config: RunConfig) -> Settings:
    """Read a method's own table.

    Raises
    ------
    SettingsError
        If there is no such method, a setting of its own or of a table that it shares is bad, a
        general one would be ignored, or clients are to keep class counts that the method tells.
    """
    known_name("setting method", name, METHODS)
    settings = read_table(config, name, settings_class(name))
    for need, read in _READERS.items():
        if need in client_class(name).all_needs():
            read(config)
    _refuse_unread(name, config)
    if not config.get("share-class-counts", True):
        _refuse_told_counts(name, settings, config)
    return settings


def follows_rounds(config: RunConfig) -> bool:
    """Tell whether what a run's rounds do follows from how many there are.

    Raises
    ------
    SettingsError
        As of :func:`method_settings`, for a table that cannot be read.
    """
    name = str(config["method"])
    if config.get("schedule", "constant") != "constant":
        return True
    if name not in METHODS:
        return False
    needs = client_class(name).all_needs()
    shared = [read(config) for need, read in _READERS.items() if need in needs]
    tables = [read_table(config, name, settings_class(name)), *shared]
    return any(own.follows_rounds() for own in tables)


def settings_class(name: str) -> type[Settings]:
    """Return the class of a method's own table."""
    kind: type[Settings] = _class(name, "settings", "Settings")
    return kind


def resolved_config(name: str, config: RunConfig, resolved: Mapping[str, Any]) -> RunConfig:
    """Return a config with what the server resolved in place of a method's ``"auto"``.

    Raises
    ------
    SettingsError
        If something else than a setting of the method was resolved.
    """
    for key in resolved:
        if key not in config or not key.startswith(f"{name}."):
            raise SettingsError(f"order: expected a resolved setting of {name}, got {key}")
    return {**config, **resolved}


def exchanges(name: str) -> bool:
    """Tell whether a method exchanges activations within a round."""
    return issubclass(client_class(name), SplitClientHalf)


def needs_open_data(name: str) -> bool:
    """Tell whether a method's server, or its clients too, must hold samples without labels."""
    halves = client_class(name), _class(name, "server", "Server")
    return any(Need.OPEN_DATA in half.all_needs() for half in halves)


def server_reads_open_data(name: str, settings: Settings) -> bool:
    """Tell whether a method's server computes on open data under settings of its own."""
    kind: type[AnyServerHalf] = _class(name, "server", "Server")
    return kind.reads_open_data(settings)


def draws(name: str) -> bool:
    """Tell whether a method's server draws images by a generator."""
    return Need.GENERATOR in _class(name, "server", "Server").all_needs()


def adapts(name: str) -> bool:
    """Tell whether a method trains adapters on a frozen foundation model."""
    return issubclass(client_class(name), AdapterClientHalf)


def reads(name: str, key: str) -> bool:
    """Tell whether a method reads a setting: a general one, or one of a table that it needs.

    Parameters
    ----------
    name : str
        Method.
    key : str
        Setting; of a table as ``"fedproto.proto-weight"``.
    """
    table, dot, _ = key.partition(".")
    if not dot or table in METHODS:
        return not dot or table == name
    if table == simulated.TABLE:
        return not exchanges(name)
    if table == AUGMENTATION:
        return issubclass(client_class(name), MessageClient)
    needs = client_class(name).needs | _class(name, "server", "Server").needs
    return _TABLES.get(table, Need.GENERATOR) in needs


def split_settings(config: RunConfig) -> SplitSettings:
    """Read the table of the data plane and of the network that is split."""
    return read_table(config, "split", SplitSettings)


def adapter_settings(config: RunConfig) -> AdapterSettings:
    """Read the table of adapters and of the model that they adapt."""
    return read_table(config, "adapters", AdapterSettings)


def augmentation_settings(config: RunConfig) -> FAugSettings:
    """Read the table of what comes before the first round."""
    return read_table(config, AUGMENTATION, FAugSettings)


_READERS: Mapping[Need, Callable[[RunConfig], Settings]] = {
    Need.SPLIT: split_settings,
    Need.ADAPTERS: adapter_settings,
}


def display_name(name: str) -> str:
    """Return a method's name as its paper writes it."""
    return _AS_WRITTEN.get(name, METHODS.get(name, name))


def presentation(name: str, config: RunConfig) -> Presentation:
    """Return what a method's server half states for reports; nothing for an unknown method.

    Parameters
    ----------
    name : str
        Method of a run, of which the table may no longer know.
    config : RunConfig
        The run's settings; keys may be missing.
    """
    if name not in METHODS:
        return Presentation()
    prefix = f"{name}."
    table = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    stated: Presentation = _class(name, "server", "Server").presentation(table)
    if config.get("augmentation", _NONE) == _NONE:
        return stated
    return augmented(stated)


def _provided(
    kind: type[AnyClientHalf] | type[AnyServerHalf],
    settings: Settings,
    config: RunConfig,
    run: RunSettings,
    device: torch.device,
    makers: Makers,
) -> Provided:
    """Gather what a half declares to need."""
    offers = {
        need: _READERS[need](config) if need in _READERS else makers[need]
        for need in kind.all_needs()
    }
    return Provided(run, settings, device, offers)


def _refuse_unread(name: str, config: RunConfig) -> None:
    """Refuse general settings that a method of this kind would silently ignore."""
    if not exchanges(name) and config.get("clients-per-node", 1) != 1:
        raise SettingsError(
            f"setting clients-per-node: expected 1 for {name}, got {config['clients-per-node']}; "
            f"only methods that exchange activations carry several clients on a node"
        )
    if exchanges(name) and config.get("validation-share", 0):
        raise SettingsError(
            f"setting validation-share: expected 0 for {name}, got {config['validation-share']}; "
            f"where activations are exchanged the server tests, and it tests no held-out samples"
        )
    defaults = default_config()
    if exchanges(name):
        _refuse_simulated(name, config, defaults)
    if issubclass(client_class(name), MessageClient):
        return
    if config.get("augmentation", _NONE) != _NONE:
        raise SettingsError(
            f"setting augmentation: expected {_NONE!r} for {name}, got {config['augmentation']!r}; "
            f"only clients that train models of their own, batch by batch, learn from samples that "
            f"were generated"
        )
    if config.get("normalise", _NONE) != _NONE:
        raise SettingsError(
            f"setting normalise: expected {_NONE!r} for {name}, got {config['normalise']!r}; only "
            f"clients that train models of their own read windows, and normalise them"
        )
    for key in _OF_MODELS:
        if config.get(key, defaults[key]) != defaults[key]:
            table = "adapters" if adapts(name) else name
            raise SettingsError(
                f"setting {key}: expected {defaults[key]!r} for {name}, got {config[key]!r}; how "
                f"its clients learn is set in the table {table}"
            )


def _refuse_told_counts(name: str, settings: Settings, config: RunConfig) -> None:
    """Refuse to keep class counts where they follow from what the method sends, or sends first."""
    told = client_class(name).tells_class_counts(settings)
    if not told and config.get("augmentation", _NONE) == AUGMENTATION:
        told = (
            "with augmentation a client's seeds show of which labels it has few samples, and how "
            "many of the scarcest; set augmentation to none, or let counts be shared"
        )
    if told:
        raise SettingsError(
            f"setting share-class-counts: expected true for {name}, got false; {told}"
        )


def _refuse_simulated(name: str, config: RunConfig, defaults: RunConfig) -> None:
    """Refuse to simulate conditions that no message waits for."""
    prefix = f"{simulated.TABLE}."
    for key in (key for key in defaults if key.startswith(prefix)):
        if config.get(key, defaults[key]) != defaults[key]:
            raise SettingsError(
                f"setting {key}: expected {defaults[key]!r} for {name}, got {config[key]!r}; "
                f"clients that exchange activations wait for each other at every step, and slow or "
                f"missing ones are not simulated there"
            )


def _class(name: str, module: str, suffix: str) -> Any:
    return getattr(import_module(f"strategies.{name}.{module}"), METHODS[name] + suffix)
