"""Dealing a collection to clients with flwr-datasets' partitioners, by labels alone.

Rows are put in a seeded random order first; IID shares are cuts of it, where flwr-datasets
would cut it as well, without the seconds that importing it takes. Rows that belong together,
such as all questions about one picture, are dealt as one. Every client deals for all and takes
its own share, so all come to the same deal, and to the same error where it is impossible; clients
that share a disk deal once and remember it there.

Settings of the partitioners: Dirichlet without self-balancing, drawn again until each
client has enough (11 draws at most); pathological with the first class of client i fixed
to i modulo the number of classes, as in Li et al. (ICDE 2022), so that no class is left
out where there are clients enough; shards of equal size, as in McMahan et al. (AISTATS
2017), where a remainder smaller than one sample per shard is left over.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.data import copies, split
from strategies.common import seeds, tensor_file
from strategies.common.errors import DataError, StoreError
from strategies.common.settings import RunSettings

if TYPE_CHECKING:
    from datasets import Dataset
    from flwr_datasets.partitioner import Partitioner

ADVICE = {
    "iid": "use fewer clients",
    "dirichlet": "use fewer clients or a larger dirichlet-alpha",
    "pathological": "use fewer clients or another classes-per-client",
    "shards": "use fewer clients or fewer shards-per-client",
}


@final
@dataclass(frozen=True)
class Share:
    """What one client is dealt.

    Attributes
    ----------
    rows : Tensor
        (samples,) int64 rows of the collection, ascending.
    notes : tuple[str, ...]
        Whether rows went to nobody, in a plain sentence.
    together : str
        Changes with which rows belong together; empty where each is alone.
    """

    rows: Tensor
    notes: tuple[str, ...]
    together: str = ""


def deal(
    labels: Tensor,
    settings: RunSettings,
    partition: int,
    num_partitions: int,
    remembered: Path | None = None,
    groups: Callable[[], Tensor] | None = None,
) -> Share:
    """Deal rows to clients and return one client's share.

    Parameters
    ----------
    labels : Tensor
        (rows,) int64 labels of the whole collection.
    settings : RunSettings
        Names the partition, its parameters, the minimums and the seed.
    partition : int
        Client whose share is returned, from 0.
    num_partitions : int
        Clients in all.
    remembered : Path | None
        File that keeps what all clients were dealt from the same labels by the same
        settings, for the next of them; ``None`` deals anew.
    groups : Callable[[], Tensor] | None
        Returns which rows belong together, (rows,) int64, numbered by first appearance; called
        where nothing is remembered. ``None`` for rows that are each alone.

    Raises
    ------
    DataError
        If there are more clients than the data allow, or any client would get too few
        samples, naming the one with the fewest.
    """
    if not 0 <= partition < num_partitions:
        raise DataError(
            f"partition: expected a client from 0 to {num_partitions - 1}, got {partition}"
        )
    named = _digest(labels)
    found = _remembered(remembered, named, num_partitions)
    if found is None:
        found = _deal_together(labels, settings, num_partitions, groups)
        if remembered is not None:
            _remember(*found, named, remembered)
    shares, together = found
    unused = len(labels) - sum(len(share) for share in shares)
    note = f"partition {settings.partition}: {unused} of {len(labels)} samples went to no client"
    return Share(shares[partition].sort().values, (note,) if unused else (), together)


def libraries(settings: RunSettings) -> tuple[str, ...]:
    """Return what dealing imports and takes seconds to import."""
    return () if settings.partition == "iid" else ("flwr_datasets",)


def _deal_together(
    labels: Tensor,
    settings: RunSettings,
    num_partitions: int,
    groups: Callable[[], Tensor] | None,
) -> tuple[Sequence[Tensor], str]:
    """Deal rows, those of a group as one of the first one's label; and say which these are."""
    group = torch.arange(len(labels)) if groups is None else groups()
    first = copies.firsts(group)
    if len(first) == len(labels):
        shares = _deal_all(labels, settings, num_partitions)
        _refuse_small_shares(shares, settings)
        return shares, ""
    dealt = _deal_all(labels[first], settings, num_partitions, len(labels) / len(first))
    shares = [torch.isin(group, share).nonzero().flatten() for share in dealt]
    _refuse_small_shares(shares, settings)
    return shares, _digest(group)


def _deal_all(
    labels: Tensor, settings: RunSettings, num_partitions: int, each: float = 1.0
) -> Sequence[Tensor]:
    """Deal what has labels, each of it so many samples on average."""
    needed = max(2, math.ceil(split.fewest(settings) / each))
    _refuse_too_many_classes(labels, settings)
    _refuse_too_many_clients(len(labels), settings, num_partitions, needed, each)
    order = torch.randperm(len(labels), generator=seeds.generator(settings.seed, "partition"))
    if libraries(settings):
        table = _table(labels, order, settings)
        return _deal(table, settings, num_partitions, needed, are_samples=each == 1.0)
    return order.tensor_split(num_partitions)


def _digest(numbers: Tensor) -> str:
    return hashlib.sha256(numbers.numpy().tobytes()).hexdigest()


def _remembered(
    path: Path | None, labels: str, num_partitions: int
) -> tuple[Sequence[Tensor], str] | None:
    """Return all clients' rows if a file holds them for the same labels; else these are dealt."""
    if path is None:
        return None
    with suppress(StoreError):
        tensors, text = tensor_file.read(path)
        # The hub may hold other data under a name than it did.
        if text.get("labels") == labels and len(tensors["counts"]) == num_partitions:
            shares = torch.split(tensors["rows"], tensors["counts"].tolist())
            return shares, text.get("together", "")
    return None


def _remember(shares: Sequence[Tensor], together: str, labels: str, path: Path) -> None:
    counts = torch.tensor([len(share) for share in shares])
    # Who cannot write here cannot keep its data either, and says so then.
    with suppress(StoreError):
        tensors = {"rows": torch.cat(list(shares)), "counts": counts}
        tensor_file.write(path, tensors, {"labels": labels, "together": together})


def _table(labels: Tensor, order: Tensor, settings: RunSettings) -> "Dataset":
    try:
        import flwr_datasets  # noqa: F401, PLC0415
        from datasets import Dataset  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"partition {settings.partition}: expected flwr-datasets to be installed; install the "
            f"project with its simulation extra, or use data that is this device's own "
            f"(folder:<dir>, pfllib:<dir>)"
        ) from None
    return Dataset.from_dict({"label": labels[order].numpy(), "row": order.numpy()})


def _refuse_too_many_clients(
    count: int, settings: RunSettings, num_partitions: int, needed: int, each: float
) -> None:
    what, of = ("samples", "") if each == 1.0 else ("pictures", f" of {each:.3g} questions")
    shards = settings.shards_per_client if settings.partition == "shards" else 0
    if count < num_partitions * max(needed, shards):
        reason = f"{needed} {what}{of}" if needed >= shards else f"{shards} shards"
        raise DataError(
            f"partition {settings.partition}: {num_partitions} clients with at least {reason} "
            f"each need {num_partitions * max(needed, shards)} {what}, got {count}; "
            f"{ADVICE[settings.partition]}, or lower min-train-samples or min-test-samples"
        )


def _refuse_too_many_classes(labels: Tensor, settings: RunSettings) -> None:
    found = len(set(labels.tolist()))
    if settings.partition == "pathological" and settings.classes_per_client > found:
        raise DataError(
            f"setting classes-per-client: expected at most {found}, the classes with samples, got "
            f"{settings.classes_per_client}"
        )


def _deal(
    table: "Dataset", settings: RunSettings, num_partitions: int, needed: int, *, are_samples: bool
) -> list[Tensor]:
    try:
        return _shares(_partitioner(settings, num_partitions, needed), table, num_partitions)
    except ValueError as error:
        if settings.partition == "dirichlet" and are_samples:
            # Its error does not name a client: the first of its draws, without a minimum, does.
            first = _shares(_partitioner(settings, num_partitions, 0), table, num_partitions)
            _refuse_small_shares(first, settings)
        # What follows its first sentence names parameters that are not ours.
        reason = str(error).split(". ")[0].rstrip(".")
        raise DataError(
            f"partition {settings.partition}: {num_partitions} clients cannot be dealt to: "
            f"{reason}; {ADVICE[settings.partition]}"
        ) from None


def _shares(partitioner: "Partitioner", table: "Dataset", num_partitions: int) -> list[Tensor]:
    partitioner.dataset = table
    with warnings.catch_warnings():
        # It warns of every draw that it repeats and of unused classes; both are said here.
        warnings.simplefilter("ignore", UserWarning)
        # Sorting by label goes through an option of pyarrow that is about to be renamed.
        warnings.filterwarnings("ignore", "Specifying null_placement", FutureWarning)
        parts = [partitioner.load_partition(index) for index in range(num_partitions)]
    return [torch.tensor(part.with_format("numpy")["row"][:]) for part in parts]


def _partitioner(settings: RunSettings, num_partitions: int, needed: int) -> "Partitioner":
    from flwr_datasets import partitioner as partitioners  # noqa: PLC0415

    seed = seeds.derive(settings.seed, "partition")
    if settings.partition == "dirichlet":
        return partitioners.DirichletPartitioner(
            num_partitions,
            "label",
            alpha=settings.dirichlet_alpha,
            min_partition_size=needed,
            self_balancing=False,
            seed=seed,
        )
    if settings.partition == "pathological":
        return partitioners.PathologicalPartitioner(
            num_partitions,
            "label",
            num_classes_per_partition=settings.classes_per_client,
            class_assignment_mode="first-deterministic",
            seed=seed,
        )
    return partitioners.ShardPartitioner(
        num_partitions, "label", settings.shards_per_client, seed=seed
    )


def _refuse_small_shares(shares: Sequence[Tensor], settings: RunSettings) -> None:
    smallest = min(range(len(shares)), key=lambda index: len(shares[index]))
    train, test = split.sizes(len(shares[smallest]), settings.test_fraction)
    split.require(
        f"partition {settings.partition}: client {smallest} of {len(shares)}",
        train,
        test,
        settings,
        ADVICE[settings.partition],
    )
