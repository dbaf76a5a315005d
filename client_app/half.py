"""The client half of a run, with what a device can make for it."""

from models import catalogue
from strategies import methods
from strategies.common.agreed import Need
from strategies.common.method import AnyClientHalf
from strategies.common.run_config import RunConfig
from strategies.common.settings import RunSettings
from strategies.common.transport.compute import torch_device


def client_half(settings: RunSettings, config: RunConfig) -> AnyClientHalf:
    """Build the client half of a run.

    Parameters
    ----------
    settings : RunSettings
        General settings of the run.
    config : RunConfig
        The same config in full, with what the server resolved in it.

    Raises
    ------
    SettingsError
        If the method is unknown, or a setting of its table is bad.
    """
    # Open data are the device's, which knows where they lie here.
    names = catalogue.check(settings.models)
    makers = {Need.MODELS: catalogue.builder(settings.feature_dim, names), Need.OPEN_DATA: None}
    device = torch_device(settings.device)
    return methods.client_half(settings.method, config, settings, device, makers)
