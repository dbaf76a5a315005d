"""A round of the journal as Flower's metrics, under the names of ``Run.frame``."""

from collections.abc import Iterable

from flwr.app import MetricRecord
from flwr.serverapp.strategy import Result

from server_app.journal import RoundLine


def train_metrics(line: RoundLine) -> MetricRecord:
    """Return what training came to.

    Parameters
    ----------
    line : RoundLine
        A round.

    Returns
    -------
    MetricRecord
        ``clients`` that trained, clients that ``failed``, ``train_samples``, ``uplink_bytes`` and
        ``downlink_bytes`` of those that trained, mean training losses weighted by samples
        (``"loss <name>"``), and what the method measured on the server under its own names.
    """
    trained = [node for node in line.answered.values() if node.took_part]
    return MetricRecord(
        {
            **line.diagnostics,
            "clients": len(trained),
            "failed": len(line.failures),
            "train_samples": sum(node.train_samples for node in trained),
            "uplink_bytes": sum(node.uplink_bytes for node in trained),
            "downlink_bytes": sum(node.downlink_bytes for node in trained),
            **{f"loss {name}": loss for name, loss in sorted(line.mean_losses.items())},
        }
    )


def evaluate_metrics(line: RoundLine) -> MetricRecord | None:
    """Return how the clients' models do, or ``None`` where none was tested.

    Parameters
    ----------
    line : RoundLine
        A round.

    Returns
    -------
    MetricRecord | None
        ``accuracy`` and ``loss`` weighted by test samples, ``accuracy_std`` over clients,
        ``macro_f1``, ``validation_accuracy`` and ``validation_loss`` where they are known,
        ``test_samples``, and other models' accuracies (``"score <name>"``).
    """
    if line.accuracy is None:
        return None
    named = {
        "accuracy": line.accuracy,
        "accuracy_std": line.accuracy_std,
        "macro_f1": line.macro_f1,
        "validation_accuracy": line.validation_accuracy,
        "validation_loss": line.validation_loss,
        "loss": line.loss,
    }
    return MetricRecord(
        {
            **{name: value for name, value in named.items() if value is not None},
            "test_samples": sum(node.test_samples for node in line.answered.values()),
            **{f"score {name}": value for name, value in line.scores.items()},
        }
    )


def result_of(lines: Iterable[RoundLine]) -> Result:
    """Return Flower's result of a run; there are no arrays in it."""
    result = Result()
    for line in lines:
        result.train_metrics_clientapp[line.round_number] = train_metrics(line)
        if (tested := evaluate_metrics(line)) is not None:
            result.evaluate_metrics_clientapp[line.round_number] = tested
    return result
