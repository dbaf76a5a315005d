"""The table of generators: adding one is one line here and an adapter.

A generator is named ``<name>`` or ``<name>:<argument>``. An adapter is imported only when
it is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from generators.base import ImageGenerator
from strategies.common.errors import SettingsError
from strategies.common.settings import RunConfig, known_name, read_table

_SETTING = "setting generator"


def check(spec: str) -> None:
    """Refuse a generator that is not known, without importing anything heavy.

    Parameters
    ----------
    spec : str
        ``<name>`` or ``<name>:<argument>``.

    Raises
    ------
    SettingsError
        If the name is unknown, or has an argument too many or too few.
    """
    _parse(spec)


def build(spec: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    """Build a generator from the run config.

    Parameters
    ----------
    spec : str
        ``<name>`` or ``<name>:<argument>``.
    config : RunConfig
        Flower's flat run config; the generator reads its own table.
    device : torch.device
        Where images are drawn.

    Raises
    ------
    SettingsError
        If the name is unknown or a setting of its table is bad.
    """
    adapter, argument = _parse(spec)
    return adapter.build(argument, config, device)


def _oriented(_argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.oriented.generator import OrientedGenerator  # noqa: PLC0415
    from generators.oriented.settings import OrientedSettings  # noqa: PLC0415

    return OrientedGenerator(read_table(config, "oriented", OrientedSettings), device)


@final
@dataclass(frozen=True)
class Adapter:
    """How a generator is named and built.

    Attributes
    ----------
    build : Callable
        Takes the argument, the run config and the device.
    argument : str
        What follows the name and a colon; empty where nothing does.
    """

    build: Callable[[str, RunConfig, torch.device], ImageGenerator]
    argument: str = ""


_ADAPTERS = {"oriented": Adapter(_oriented)}


def _parse(spec: str) -> tuple[Adapter, str]:
    name, colon, argument = spec.partition(":")
    known_name(_SETTING, name, _ADAPTERS)
    adapter = _ADAPTERS[name]
    if adapter.argument and not argument:
        raise SettingsError(f"{_SETTING}: expected {name}:<{adapter.argument}>, got {spec!r}")
    if colon and not adapter.argument:
        raise SettingsError(f"{_SETTING}: {name} takes no argument, got {spec!r}")
    return adapter, argument
