"""What FD sends; in float32, for p labels present and C classes."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import SoftRows
from strategies.common.round import Phase


@final
@payload("fd.soft-labels", version=2)
class SoftLabels(SoftRows):
    """One client's mean softmax output per true label, to the server: ``4pC + 8p`` bytes.

    They tell which labels the client holds, and how its model confuses each with the others.
    """


@final
@payload("fd.teacher", version=2)
class Teacher(SoftRows):
    """The mean of all other holders, to one device: ``4pC + 8p`` bytes; of one, its own."""


WIRE = Phase(up=SoftLabels, down=Teacher)
