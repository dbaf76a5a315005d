"""The table of generators: adding one is one line here and an adapter.

A generator is named ``<name>`` or ``<name>:<argument>``. An adapter is imported only when
it is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from strategies.common.errors import GeneratorError, SettingsError
from strategies.common.image_generator import ImageGenerator
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
    GeneratorError
        If what the argument names cannot be drawn with.
    """
    adapter, argument = _parse(spec)
    return adapter.build(argument, config, device)


def _oriented(_argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.oriented.generator import OrientedGenerator  # noqa: PLC0415
    from generators.oriented.settings import OrientedSettings  # noqa: PLC0415

    return OrientedGenerator(read_table(config, "oriented", OrientedSettings), device)


def _noise(_argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.noise.generator import NoiseGenerator  # noqa: PLC0415
    from generators.noise.settings import NoiseSettings  # noqa: PLC0415

    return NoiseGenerator(read_table(config, "noise", NoiseSettings), device)


def _stylegan(argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.stylegan.generator import StyleGANGenerator  # noqa: PLC0415
    from generators.stylegan.settings import StyleGANSettings  # noqa: PLC0415

    settings = read_table(config, "stylegan", StyleGANSettings)
    return StyleGANGenerator(Path(argument).expanduser(), settings, device)


def _diffusers(argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    try:
        from generators.diffusers.generator import DiffusersGenerator  # noqa: PLC0415
    except ImportError as error:
        raise GeneratorError(
            f"generator diffusers: {error}; install the server's libraries: pip install '.[server]'"
        ) from None
    from generators.diffusers.settings import DiffusersSettings  # noqa: PLC0415

    settings = read_table(config, "diffusers", DiffusersSettings)
    return DiffusersGenerator(settings, argument, device)


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


_ADAPTERS = {
    "oriented": Adapter(_oriented),
    "noise": Adapter(_noise),
    "stylegan": Adapter(_stylegan, argument="file"),
    "diffusers": Adapter(_diffusers, argument="folder or hub id"),
}


def _parse(spec: str) -> tuple[Adapter, str]:
    name, colon, argument = spec.partition(":")
    known_name(_SETTING, name, _ADAPTERS)
    adapter = _ADAPTERS[name]
    if adapter.argument and not argument:
        raise SettingsError(f"{_SETTING}: expected {name}:<{adapter.argument}>, got {spec!r}")
    if colon and not adapter.argument:
        raise SettingsError(f"{_SETTING}: {name} takes no argument, got {spec!r}")
    return adapter, argument
