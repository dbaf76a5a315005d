"""What a run opens with on the server: its settings, its name, its server half and first state."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client_app.data import open_set, sources
from generators import build as generators
from models import catalogue, weights
from server_app.writers import chosen
from strategies import methods, tables
from strategies.common.agreed import Need
from strategies.common.errors import DataError, RunFolderError, SettingsError
from strategies.common.home import expanded
from strategies.common.method import AnyServerHalf
from strategies.common.open_data import OpenSet
from strategies.common.run_config import RunConfig, read_run
from strategies.common.settings import RunSettings, Settings
from strategies.common.task import Task
from strategies.common.transport.compute import threads, torch_device


def open_settings(config: RunConfig) -> RunSettings:
    """Read a run's general settings, and refuse names that nothing here answers to.

    Parameters
    ----------
    config : RunConfig
        Flower's flat run config.

    Raises
    ------
    SettingsError
        If a setting, model, data source, generator or writer is unknown or out of range, or a
        writer's library is not installed.
    ModelError
        If a user's own model lies on the server and is none.
    """
    settings = read_run(config)
    tables.check(config)
    catalogue.check_here(settings.models)
    names = catalogue.check(settings.models)
    weights.check(settings.weights, names)
    if settings.method in methods.METHODS:
        own = methods.method_settings(settings.method, config)
        if (clash := own.clash(settings)) is not None:
            raise SettingsError(f"setting {settings.method}.{clash}")
        _check_normalised(settings, own)
        if (named := own.named_model(settings)) is not None:
            catalogue.require_known(f"setting {named.setting}", named.name, names)
    sources.check(settings.data)
    _check_open_data(settings)
    _check_augmentation(settings, config)
    generators.check(settings.generator)
    generators.check_tables(config)
    chosen.check(settings.writers)
    return settings


def _check_open_data(settings: RunSettings) -> None:
    if settings.open_data:
        open_set.check(settings)
    elif settings.method in methods.METHODS and methods.needs_open_data(settings.method):
        raise SettingsError(
            f"setting open-data: expected samples without labels for method {settings.method}, "
            f"which learns from what models say of them, got none; name one, e.g. "
            f"open-data={settings.data} and open-samples=500, which then no client is given"
        )


def _check_normalised(settings: RunSettings, own: Settings) -> None:
    reads = methods.server_reads_open_data(settings.method, own)
    if settings.normalise != "none" and reads:
        raise SettingsError(
            f'setting normalise: expected "none" where the server too computes on open data, since '
            f"each client's windows are normalised by numbers that stay with it, got "
            f'{settings.normalise!r} with method {settings.method}; set normalise="none", or take '
            f"a method without a model on the server"
        )


def _check_augmentation(settings: RunSettings, config: RunConfig) -> None:
    if settings.augmentation == "none":
        return
    own = methods.augmentation_settings(config)
    if own.oversampler == "open" and not settings.open_data:
        raise SettingsError(
            "setting faug.oversampler: expected open-data beside 'open', whose labelled samples "
            'the server takes, got none; name one, or set faug.oversampler="seeds"'
        )


def first_state(half: AnyServerHalf, settings: RunSettings, task: Task) -> Any:
    """Return what a server half starts from, once its payloads can be measured by the task.

    Parameters
    ----------
    half : ServerHalf
        Takes note of the task.
    settings : RunSettings
        General settings of the run.
    task : Task
        What the clients agree on.

    Raises
    ------
    ModelError
        If the clients' task does not suit the method.
    DataError
        If the server's copy of the open data cannot be read, or is not what clients hold.
    """
    agreed, phase = half.provided.agree(task), half.phase(1)
    for payload in (phase.up, phase.down):
        if payload is not None:
            payload.sizes(agreed)
    with threads(settings.server_threads):
        if half.reads_open_data(half.settings):
            _ = half.provided.open_data  # a copy that is another is refused before anyone trains
        return half.start()


def open_set_of(half: AnyServerHalf) -> OpenSet | None:
    """Return what tells the server's open data from others; ``None`` where it needs none."""
    return half.provided.open_data.told if half.reads_open_data(half.settings) else None


def require_open_set(half: AnyServerHalf, begun_with: OpenSet | None) -> None:
    """Refuse to go on with other open data on the server than a run has learnt from.

    Parameters
    ----------
    half : ServerHalf
        Knows the clients' task.
    begun_with : OpenSet | None
        What a checkpoint says; ``None`` where it does not.

    Raises
    ------
    DataError
        With both digests.
    """
    got = open_set_of(half)
    if begun_with and got and got != begun_with:
        raise DataError(
            f"server: setting open-data: expected {begun_with}, which this run has learnt from, "
            f"got {got}; put the files back as they were, or begin a run of another run-name"
        )


def run_name(settings: RunSettings) -> str:
    """Return a run's name: as set, or of method and time.

    Raises
    ------
    RunFolderError
        If a run without a name is to be gone on with.
    """
    if settings.run_name:
        return settings.run_name
    if settings.resume:
        raise RunFolderError("resume=true: expected a run-name, got none; name the run")
    return f"{settings.method}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def prepared_folder(settings: RunSettings) -> Path:
    """Return where the server keeps data that it read."""
    return expanded(settings.state_dir, "setting state-dir: ").resolve() / "prepared"


def server_half(settings: RunSettings, config: RunConfig) -> AnyServerHalf:
    """Build the server half of a run.

    Parameters
    ----------
    settings : RunSettings
        General settings of the run.
    config : RunConfig
        The same config in full.

    Raises
    ------
    SettingsError
        If the method is unknown, or a setting of its table is bad.
    GeneratorError
        If the method needs a generator that cannot be built.
    """
    device = torch_device(settings.server_device, "server-device")
    prepared = prepared_folder(settings)
    makers = {
        Need.GENERATOR: lambda: generators.build(settings.generator, config, device),
        Need.MODELS: catalogue.builder(settings.feature_dim, catalogue.check(settings.models)),
        Need.OPEN_DATA: lambda: open_set.load(settings, settings.open_data, prepared),
        Need.OPEN_LABELS: lambda: open_set.labels(settings, settings.open_data, prepared),
    }
    with threads(settings.server_threads):
        return methods.server_half(settings.method, config, settings, device, makers)


def decisions(half: AnyServerHalf) -> Mapping[str, str]:
    """Return what a run's generator chose when it was built, each with the reason."""
    if Need.GENERATOR not in half.needs:
        return {}
    return {f"generator's {name}": told for name, told in half.provided.generator.decisions.items()}
