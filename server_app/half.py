"""The server half of a run, with what a server can make for it."""

from generators import build as generators
from models import catalogue
from strategies import methods
from strategies.common.agreed import Need
from strategies.common.method import AnyServerHalf
from strategies.common.settings import RunConfig, RunSettings
from strategies.common.transport.compute import threads, torch_device


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
    device = torch_device(settings.server_device)
    makers = {
        Need.GENERATOR: lambda: generators.build(settings.generator, config, device),
        Need.MODELS: catalogue.builder(settings.feature_dim),
    }
    with threads(settings.server_threads):
        return methods.server_half(settings.method, config, settings, device, makers)
