"""Features of an evaluation, gathered in any order and given out in a fixed one."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.errors import ExchangeError, WireError
from strategies.common.split.hits import check_labels
from strategies.common.split.wire.frames import Split


@final
@dataclass(frozen=True)
class Features:
    """Features with their labels and owners.

    Attributes
    ----------
    features : Tensor
        (samples, feature) float32.
    labels : Tensor
        (samples,) int64 class of each sample.
    clients : Tensor
        (samples,) int64 logical client of each sample.
    """

    features: Tensor
    labels: Tensor
    clients: Tensor

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def subset(self, rows: Tensor) -> "Features":
        """Return some of the samples, (rows,) int64, in the order asked for."""
        return Features(self.features[rows], self.labels[rows], self.clients[rows])


def standardised(bank: Features, others: Features) -> tuple[Features, Features]:
    """Return features whose mean is 0 and whose standard deviation is 1 over the bank.

    Parameters
    ----------
    bank : Features
        Samples to learn from, at least one; they alone say how features are shifted and scaled.
    others : Features
        Samples to test on, of which nothing is taken.

    Returns
    -------
    tuple[Features, Features]
        Bank and others. A feature that is the same all over the bank tells nothing there and is
        0 in both, whatever it is elsewhere.
    """
    values = bank.features.double()
    mean, deviation = values.mean(0), values.std(0, correction=0)
    # Less than what float32 rounds is no spread.
    varies = deviation > torch.finfo(torch.float32).eps * values.abs().amax(0)
    scale = torch.where(varies, 1.0 / deviation, 0.0)

    def scaled(part: Features) -> Features:
        moved = (part.features.double() - mean) * scale
        return replace(part, features=moved.to(part.features.dtype))

    return scaled(bank), scaled(others)


@final
class FeatureTable:
    """Takes in parts of an evaluation by split and client.

    Samples come out by client, and within a client in the order of arrival, which its own
    stream keeps; whose stream was faster makes no difference.

    Parameters
    ----------
    num_classes : int
        Labels must lie in [0, num_classes).
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._parts: dict[Split, dict[int, list[tuple[Tensor, Tensor]]]] = {}

    def add(self, split: Split, client: int, features: Tensor, labels: Tensor) -> None:
        """Take in some samples of one client.

        Parameters
        ----------
        split : str
            What they serve.
        client : int
            Logical client they belong to.
        features : Tensor
            (samples, feature) float32; no sample at all is no error.
        labels : Tensor
            (samples,) int64.

        Raises
        ------
        WireError
            If the shapes do not fit or a label is no class of the task.
        """
        check_labels(f"evaluation: client {client}: {split}", labels, self._num_classes)
        if features.ndim != 2 or len(features) != len(labels):
            raise WireError(
                f"evaluation: client {client}: {split}: expected one row of features for each of "
                f"{len(labels)} labels, got {tuple(features.shape)}"
            )
        if len(labels):
            clients = self._parts.setdefault(split, {})
            clients.setdefault(client, []).append((features, labels))

    def forget(self, clients: Collection[int]) -> None:
        """Drop all samples of some clients."""
        left = {
            split: {client: parts for client, parts in own.items() if client not in clients}
            for split, own in self._parts.items()
        }
        self._parts = {split: own for split, own in left.items() if own}

    def holds(self, split: Split) -> bool:
        """Say whether any sample of a split has come."""
        return split in self._parts

    def features(self, split: Split) -> Features:
        """Return all samples of a split.

        Raises
        ------
        ExchangeError
            If none has come.
        """
        if split not in self._parts:
            raise ExchangeError(
                f"evaluation: expected samples of the split {split!r}, got none; see why no "
                f"client sent them"
            )
        clients = sorted(self._parts[split].items())
        parts = [part for _, own in clients for part in own]
        counts = [sum(len(labels) for _, labels in own) for _, own in clients]
        labels = torch.cat([labels for _, labels in parts])
        owners = torch.tensor([client for client, _ in clients])
        return Features(
            torch.cat([features for features, _ in parts]),
            labels,
            owners.repeat_interleave(torch.tensor(counts)).to(labels.device),
        )


def bank_and_holdout(
    num_samples: int, fraction: float, seed: int, client: int
) -> tuple[Tensor, Tensor]:
    """Split a client's training samples, the same way in every round.

    Parameters
    ----------
    num_samples : int
        Training samples of the client, at least two.
    fraction : float
        Part that is held out, in (0, 1); at least one sample, and at most all but one.
    seed : int
        Root seed of the run.
    client : int
        Logical client.

    Returns
    -------
    tuple[Tensor, Tensor]
        (bank,) and (holdout,) int64 row numbers, ascending.
    """
    order = torch.randperm(
        num_samples, generator=seeds.generator(seed, "holdout", partition=client)
    )
    held = min(max(round(fraction * num_samples), 1), num_samples - 1)
    return order[held:].sort().values, order[:held].sort().values


def without_copies(inputs: Tensor, bank: Tensor, holdout: Tensor) -> tuple[Tensor, Tensor]:
    """Move held-out samples that copy one of the bank to it: they would find themselves.

    Parameters
    ----------
    inputs : Tensor
        (samples, ...) of the client.
    bank, holdout : Tensor
        (bank,) and (holdout,) int64 row numbers, as :func:`bank_and_holdout` returns them.

    Returns
    -------
    tuple[Tensor, Tensor]
        The same, ascending; none may be left to hold out.
    """
    contents = [row.numpy().tobytes() for row in inputs.cpu()]
    known = {contents[row] for row in bank.tolist()}
    is_copy = torch.tensor([contents[row] in known for row in holdout.tolist()], dtype=torch.bool)
    return torch.cat([bank, holdout[is_copy]]).sort().values, holdout[~is_copy]
