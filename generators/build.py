"""The table of generators: adding one is one line here and an adapter.

A generator is named ``<name>`` or ``<name>:<argument>``. An adapter is imported only when
it is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, final

import torch

from strategies.common.errors import GeneratorError, SettingsError
from strategies.common.home import expanded
from strategies.common.image_generator import ImageGenerator
from strategies.common.run_config import RunConfig, known_name, read_table
from strategies.common.settings_changes import changed_tables

_SETTING = "setting generator"
_FILE = "file"


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


def check_here(spec: str, config: RunConfig) -> None:
    """Refuse a generator whose file, folder or library is not on this machine; nothing is loaded.

    Parameters
    ----------
    spec : str
        ``<name>`` or ``<name>:<argument>``.
    config : RunConfig
        Flower's flat run config, of which the generator's table may name files too.

    Raises
    ------
    GeneratorError
        With what is missing.
    """
    adapter, argument = _parse(spec)
    if adapter.library and find_spec(adapter.library) is None:
        raise _not_installed(spec, f"no module named {adapter.library!r}")
    if adapter.argument == _FILE and not (path := expanded(argument, "generator ")).is_file():
        raise GeneratorError(
            f"generator {spec}: expected a file at {path.absolute()}, found none; give the path of "
            f"one that exists"
        )
    adapter.check(argument, config)


def check_tables(config: RunConfig) -> None:
    """Refuse what cannot be read in a generator's changed table, whichever draws.

    Parameters
    ----------
    config : RunConfig
        Flower's flat run config.

    Raises
    ------
    SettingsError
        If a key is unknown, missing or out of range.
    """
    for name in sorted(changed_tables(config) & _ADAPTERS.keys()):
        _read(name, config)


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

    return OrientedGenerator(_read("oriented", config), device)


def _noise(_argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.noise.generator import NoiseGenerator  # noqa: PLC0415

    return NoiseGenerator(_read("noise", config), device)


def _stylegan(argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    from generators.stylegan.generator import StyleGANGenerator  # noqa: PLC0415

    return StyleGANGenerator(expanded(argument, "generator "), _read("stylegan", config), device)


def _diffusers(argument: str, config: RunConfig, device: torch.device) -> ImageGenerator:
    try:
        from generators.diffusers.generator import DiffusersGenerator  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed("diffusers", str(error)) from None
    return DiffusersGenerator(_read("diffusers", config), argument, device)


def _no_check(_argument: str, _config: RunConfig) -> None:
    """Refuse nothing: such a generator is made of its settings, or of one file."""


def _check_diffusers(argument: str, config: RunConfig) -> None:
    from generators.diffusers import location  # noqa: PLC0415

    location.check(argument, _read("diffusers", config).vae)


@final
@dataclass(frozen=True)
class Adapter:
    """How a generator is named and built.

    Attributes
    ----------
    build : Callable
        Takes the argument, the run config and the device.
    settings : str
        Class of its table, in its module ``settings``.
    argument : str
        What follows the name and a colon; empty where nothing does.
    library : str
        What it needs beside Nectar's own libraries; empty for nothing.
    check : Callable
        Takes the argument and the run config, and refuses what this machine lacks.
    """

    build: Callable[[str, RunConfig, torch.device], ImageGenerator]
    settings: str
    argument: str = ""
    library: str = ""
    check: Callable[[str, RunConfig], None] = _no_check


_ADAPTERS = {
    "oriented": Adapter(_oriented, "OrientedSettings"),
    "noise": Adapter(_noise, "NoiseSettings"),
    "stylegan": Adapter(_stylegan, "StyleGANSettings", argument=_FILE),
    "diffusers": Adapter(
        _diffusers,
        "DiffusersSettings",
        argument="folder or hub id",
        library="diffusers",
        check=_check_diffusers,
    ),
}


def _not_installed(spec: str, reason: str) -> GeneratorError:
    return GeneratorError(
        f"generator {spec}: {reason}; install the server's libraries: pip install '.[server]'"
    )


def _read(name: str, config: RunConfig) -> Any:
    kind = getattr(import_module(f"generators.{name}.settings"), _ADAPTERS[name].settings)
    return read_table(config, name, kind)


def _parse(spec: str) -> tuple[Adapter, str]:
    name, colon, argument = spec.partition(":")
    known_name(_SETTING, name, _ADAPTERS)
    adapter = _ADAPTERS[name]
    if adapter.argument and not argument:
        raise SettingsError(f"{_SETTING}: expected {name}:<{adapter.argument}>, got {spec!r}")
    if colon and not adapter.argument:
        raise SettingsError(f"{_SETTING}: {name} takes no argument, got {spec!r}")
    return adapter, argument
