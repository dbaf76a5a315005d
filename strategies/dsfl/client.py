"""DS-FL on a device: distil what all said, learn from labels, and say softmax outputs."""

from typing import final

from strategies.common.open_students import OpenDataClient
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions


@final
class DSFLClient(OpenDataClient[DSFLSettings, Consensus, Predictions]):
    """Distils the consensus on open data."""

    wire = WIRE
