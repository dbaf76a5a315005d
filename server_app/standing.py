"""Where a run stands between two rounds, which a checkpoint keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from server_app.checkpoints import Checkpoint
from server_app.round_record import RoundRecord
from strategies.common.open_data import OpenSet
from strategies.common.task import Task


@final
@dataclass
class Standing:
    """Where a run stands between two rounds.

    Attributes
    ----------
    round_number : int
        Last complete round.
    accepted : dict[int, int]
        Last round accepted from each client, by partition.
    best_round : int
        Round with the best mean accuracy, on validation where samples are held out; 0 for none.
    best_accuracy : float
        That accuracy.
    """

    round_number: int = 0
    accepted: dict[int, int] = field(default_factory=dict)
    best_round: int = 0
    best_accuracy: float = 0.0

    @classmethod
    def after(cls, checkpoint: Checkpoint) -> "Standing":
        """Return where a run stood when a checkpoint was saved."""
        return cls(
            checkpoint.round_number,
            dict(checkpoint.accepted),
            checkpoint.best_round,
            checkpoint.best_accuracy,
        )

    def accept(self, record: RoundRecord) -> None:
        """Take note of whose uploads were taken in."""
        trained = [p for p, node in record.nodes.items() if node.took_part]
        self.accepted.update(dict.fromkeys(trained, record.round_number))

    def complete(self, record: RoundRecord, num_clients: int, *, held_out: bool) -> None:
        """Take note of how a round went that is over.

        Parameters
        ----------
        record : RoundRecord
            The round, tested.
        num_clients : int
            How many clients take part in the run.
        held_out : bool
            Whether it is held against others by samples held out for validation.
        """
        self.round_number = record.round_number
        accuracy = record.validation_accuracy() if held_out else record.accuracy()
        # A mean of a few clients is not held against one of nearly all.
        counts = accuracy is not None and 2 * record.num_tested >= num_clients
        if accuracy is not None and counts and accuracy > self.best_accuracy:
            self.best_round, self.best_accuracy = record.round_number, accuracy

    def checkpoint(
        self, task: Task, tensors: Mapping[str, Tensor], open_set: OpenSet | None
    ) -> Checkpoint:
        """Return what is to be saved of it, beside the server half's state."""
        return Checkpoint(
            round_number=self.round_number,
            task=task,
            accepted=dict(self.accepted),
            best_round=self.best_round,
            best_accuracy=self.best_accuracy,
            tensors=dict(tensors),
            open_set=open_set,
        )
