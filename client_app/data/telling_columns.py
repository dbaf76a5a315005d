"""Which columns of text say the label: to learn from one of them is to be told the answer."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, final

from client_app.data.columns import Columns
from client_app.data.words import words_of

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are looked at together: few decide of most columns.
AT_ONCE = 1024


def settled(chosen: Columns, batches: Iterable["pa.RecordBatch | pa.Table"], where: str) -> Columns:
    """Return columns of which none says the label, unless it is asked for by name.

    Parameters
    ----------
    chosen : Columns
        As they are called.
    batches : Iterable[pa.RecordBatch | pa.Table]
        As of :func:`telling`.
    where : str
        For messages.

    Raises
    ------
    DataError
        If there were columns of text, and none is left.
    """
    if chosen.are_asked_for or not chosen.texts:
        return chosen.without((), where)
    return chosen.without(telling(chosen.texts, chosen.label, batches), where)


def telling(
    texts: Sequence[str], label: str, batches: Iterable["pa.RecordBatch | pa.Table"]
) -> list[str]:
    """Return the columns of text whose words stand one to one with the labels in all rows.

    Parameters
    ----------
    texts : Sequence[str]
        Columns of text.
    label : str
        Column of labels; rows without one are not looked at.
    batches : Iterable[pa.RecordBatch | pa.Table]
        All rows, some at a time; no more are asked for once every column is cleared.
    """
    pairs = {name: _Pairs() for name in texts}
    for batch in batches:
        labels = batch.column(label).to_pylist()
        for name, one in pairs.items():
            if one.is_one_to_one:
                one.add(batch.column(name).to_pylist(), labels)
        if not any(one.is_one_to_one for one in pairs.values()):
            break
    return [name for name, one in pairs.items() if one.tells]


@final
class _Pairs:
    """Texts of one column and the labels beside them, for as long as each has one other."""

    def __init__(self) -> None:
        self.is_one_to_one = True
        self._label_of: dict[str, int] = {}
        self._text_of: dict[int, str] = {}
        self._silent: set[int] = set()
        self._rows = self._silent_rows = 0

    def add(self, texts: Sequence[str | None], labels: Sequence[int | None]) -> None:
        """Look at more rows, up to the first that shows that the column is no label."""
        for text, label in zip(texts, labels, strict=True):
            if label is None:
                continue
            words = " ".join(words_of(text or ""))
            if not words:
                self._silent.add(label)
                self._silent_rows += 1
                continue
            self._rows += 1
            is_known = self._label_of.setdefault(words, label) == label
            if not is_known or self._text_of.setdefault(label, words) != words:
                self.is_one_to_one = False
                return

    @property
    def tells(self) -> bool:
        """Whether the column says the label, by its words or by having none."""
        if not self.is_one_to_one:
            return False
        kinds = len(self._label_of)
        by_words = kinds > 1 and self._rows > kinds
        # One class may be said by silence alone.
        is_one_silent = len(self._silent) == 1 and not self._silent & self._text_of.keys()
        return by_words or (
            kinds > 0 and is_one_silent and self._rows + self._silent_rows > kinds + 1
        )
