"""A run's numbers as TensorBoard events, written while it runs."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, final

from server_app.journal import RoundLine

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_LOG = logging.getLogger(__name__)


@final
class TensorBoardLog:
    """Events of one run; without TensorBoard it says so once and writes nothing.

    Parameters
    ----------
    folder : Path
        Where the events go.
    first_round : int
        Round that is written first; a resumed run drops older events from there on.
    """

    def __init__(self, folder: Path, *, first_round: int = 1) -> None:
        self._writer = _open(folder, first_round)

    def write(self, line: RoundLine) -> None:
        """Add a round and flush it.

        Parameters
        ----------
        line : RoundLine
            The round.
        """
        if self._writer is None:
            return
        for name, value in _scalars(line):
            self._writer.add_scalar(name, value, line.round_number)
        self._writer.flush()

    def close(self) -> None:
        """Finish the events; nothing can be written afterwards."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _open(folder: Path, first_round: int) -> "SummaryWriter | None":
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - server extra
    except ImportError:
        _LOG.warning("no TensorBoard events: install the server extra of Nectar for them")
        return None
    return SummaryWriter(str(folder), purge_step=first_round)


def _scalars(line: RoundLine) -> Iterator[tuple[str, float]]:
    if line.accuracy is not None:
        yield "accuracy/mean", line.accuracy
    if line.macro_f1 is not None:
        yield "macro_f1/pooled", line.macro_f1
    if line.validation_accuracy is not None:
        yield "accuracy/validation", line.validation_accuracy
    if line.loss is not None:
        yield "loss/mean", line.loss
    if line.validation_loss is not None:
        yield "loss/validation", line.validation_loss
    for client, node in line.answered.items():
        if node.accuracy is not None:
            yield f"accuracy/client-{client}", node.accuracy
    yield "bytes/up", line.uplink_bytes
    yield "bytes/down", line.downlink_bytes
    for phase, seconds in line.seconds.items():
        yield f"seconds/{phase}", seconds
    for name, value in line.diagnostics.items():
        yield f"diagnostics/{name}", value
