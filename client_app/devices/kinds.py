"""Which kind of device a half runs on."""

from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.devices.exchange_device import ExchangeNode
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.adapters.halves import AdapterClientHalf
from strategies.common.agreed import Need
from strategies.common.method import AnyClientHalf
from strategies.common.settings import RunSettings
from strategies.common.split.halves import SplitClientHalf
from strategies.common.split.link import Link

AnyLocalDevice = LocalDevice | LocalAdapterDevice | ExchangeNode


def device_for(
    half: AnyClientHalf,
    node: NodeConfig,
    settings: RunSettings,
    round_number: int,
    link: Link | None = None,
) -> AnyLocalDevice:
    """Return the device that a client half works with in one round.

    Parameters
    ----------
    half : ClientHalf
        The method.
    node : NodeConfig
        What the operator says of this device.
    settings : RunSettings
        General settings of the run.
    round_number : int
        Current round; 0 outside of rounds.
    link : Link | None
        Stream to the server, in the rounds that have one.
    """
    if isinstance(half, SplitClientHalf):
        return ExchangeNode(half.provided.split, node, settings, round_number, link)
    if isinstance(half, AdapterClientHalf):
        return LocalAdapterDevice(half, node, settings, round_number)
    device = LocalDevice(node, settings, round_number)
    device.asks_about_open_data = Need.OPEN_DATA in half.all_needs()
    return device
