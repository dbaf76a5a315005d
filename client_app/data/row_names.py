"""What rows of a table are called where they are left out."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final, overload

from torch import Tensor

NO_LABEL: Final = "without a label"


@final
@dataclass(frozen=True)
class RowNames(Sequence[str]):
    """Names of the rows that are used: their number from 0, and their file where there are more.

    Attributes
    ----------
    rows : Tensor
        (names,) int64, counted through all files.
    counts : Sequence[int]
        Rows of each file.
    files : Sequence[str]
        Their names.

    Examples
    --------
    >>> import torch
    >>> list(RowNames(torch.tensor([1, 3]), [2, 9], ["train.parquet", "test.parquet"]))
    ['train.parquet row 1', 'test.parquet row 1']
    """

    rows: Tensor
    counts: Sequence[int] = ()
    files: Sequence[str] = ()
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """Count where files start."""
        starts = list(itertools.accumulate(self.counts[:-1], initial=0))
        object.__setattr__(self, "_starts", starts)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Return the name of a row that is used, or of some of them."""
        if isinstance(place, slice):
            return [self.named(row) for row in self.rows[place].tolist()]
        return self.named(int(self.rows[place]))

    def named(self, row: int) -> str:
        """Return the name of a row that is counted through all files."""
        if len(self.files) < 2:
            return f"row {row}"
        file = bisect.bisect_right(self._starts, row) - 1
        return f"{self.files[file]} row {row - self._starts[file]}"

    @property
    def unlabelled(self) -> dict[str, list[str]]:
        """Names of all rows that are not used, since they have no label; none where all have."""
        used = set(self.rows.tolist()) if len(self.rows) < sum(self.counts) else None
        if used is None:
            return {}
        return {NO_LABEL: [self.named(r) for r in range(sum(self.counts)) if r not in used]}
