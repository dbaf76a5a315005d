"""A run's numbers, pictures and settings as TensorBoard events in the run's folder."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

from server_app.journal import RoundLine
from server_app.writers.round_writer import FINAL_ACCURACY, Summary, scalars
from strategies.common.run_config import RunConfig

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

    told_as = ""

    def __init__(self, folder: Path, *, first_round: int = 1) -> None:
        self._folder = folder
        self._first_round = first_round
        self._settings: RunConfig = {}
        self._writer: SummaryWriter | None = None

    def begin(self, settings: RunConfig) -> None:
        """Open the events."""
        self._settings = settings
        self._writer = _open(self._folder, self._first_round)

    def round(self, line: RoundLine, pictures: Mapping[str, Path]) -> None:
        """Add a round and flush it."""
        if self._writer is None:
            return
        for name, value in scalars(line).items():
            self._writer.add_scalar(name, value, line.round_number)
        for name, file in pictures.items():
            self._add_picture(self._writer, f"images/{name}", file, line.round_number)
        self._writer.flush()

    def end(self, summary: Summary) -> None:
        """Add the settings beside the accuracy that they led to, and close the events."""
        if self._writer is None:
            return
        try:
            if summary.accuracy is not None:
                self._writer.add_hparams(
                    dict(self._settings),
                    {FINAL_ACCURACY: summary.accuracy},
                    # In this folder, not in one of its own that counts as another run.
                    run_name=".",
                    global_step=summary.rounds,
                )
        finally:
            self._writer.close()
            self._writer = None

    @staticmethod
    def _add_picture(writer: "SummaryWriter", name: str, file: Path, round_number: int) -> None:
        import numpy as np  # noqa: PLC0415 - most methods draw nothing
        from PIL import Image  # noqa: PLC0415

        with Image.open(file) as image:
            writer.add_image(name, np.asarray(image), round_number, dataformats="HWC")


def _open(folder: Path, first_round: int) -> "SummaryWriter | None":
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - server extra
    except ImportError:
        _LOG.warning("no TensorBoard events: install the server extra of Nectar for them")
        return None
    return SummaryWriter(str(folder), purge_step=first_round)
