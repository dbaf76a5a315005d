from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_app.data import telling_columns
from client_app.data.columns import Columns
from client_app.data.telling_columns import telling
from strategies.common.errors import DataError

Cells = list[str | None]


def _table(labels: list[int | None], **texts: Cells) -> pa.Table:
    return pa.table({"label": pa.array(labels, pa.int64()), **texts})


@pytest.mark.parametrize(
    ("texts", "labels", "tells"),
    [
        (["ham", "spam", "ham", "spam"], [0, 1, 0, 1], True),
        # Only what a model reads of them counts.
        (["Ham", "spam", " ham", "SPAM"], [0, 1, 0, 1], True),
        (["ham", "spam", "ham", "ham"], [0, 1, 0, 1], False),
        (["ham", "spam", "bacon", "spam"], [0, 1, 0, 1], False),
        # Texts that are each of one row are texts.
        (["one", "two", "three"], [0, 1, 2], False),
        # One class is no task.
        (["ham", "ham"], [0, 0], False),
        # Rows without words say nothing, unless there are none in one class alone.
        (["ham", None, "ham", "spam", ""], [0, 1, 0, 1, 0], True),
        ([None, "spam", "", "spam"], [0, 1, 0, 1], True),
        ([None, "spam", "", None], [0, 1, 0, 1], False),
        ([None, None, None], [0, 1, 0], False),
        # Nor do rows that have no label.
        (["ham", "spam", "ham", "ham"], [0, 1, 0, None], True),
    ],
)
def test_a_column_tells_where_words_and_labels_stand_one_to_one(
    texts: Cells, labels: list[int | None], tells: bool
) -> None:
    table = _table(labels, said=texts)
    assert telling(["said"], "label", [table]) == (["said"] if tells else [])
    parts = [table.slice(row, 1) for row in range(len(labels))]
    assert telling(["said"], "label", parts) == (["said"] if tells else [])


@given(st.lists(st.tuples(st.integers(0, 3), st.text("ab ", max_size=2)), max_size=12))
def test_all_rows_count_in_whatever_order(rows: list[tuple[int, str]]) -> None:
    labels, texts = [label for label, _ in rows], [text for _, text in rows]
    found = telling(["x"], "label", [_table([*labels], x=[*texts])])
    spoken = [(label, text.strip()) for label, text in rows if text.strip()]
    pairs, silent = set(spoken), {label for label, text in rows if not text.strip()}
    kinds, said = {text for _, text in pairs}, {label for label, _ in pairs}
    one_to_one = len(pairs) == len(kinds) == len(said)
    by_words = one_to_one and len(kinds) > 1 and len(spoken) > len(kinds)
    by_silence = one_to_one and kinds and len(silent) == 1 and not silent & said
    assert bool(found) == bool(by_words or (by_silence and len(rows) > len(kinds) + 1))


def test_no_more_is_read_than_decides() -> None:
    def batches() -> Iterator[pa.Table]:
        yield _table([0, 1], x=["a", "a"], y=["a", "b"])
        yield _table([0, 0], x=["a", "a"], y=["a", "c"])
        raise AssertionError("read on")

    assert telling(["x", "y"], "label", batches()) == []


def test_a_column_that_is_asked_for_is_read_all_the_same() -> None:
    table = _table([0, 1, 0], said=["ham", "spam", "ham"], body=["a", "b", "c"])
    chosen = Columns("", "label", ("said", "body"))
    assert telling_columns.settled(chosen, [table], "here").texts == ("body",)
    asked = Columns("", "label", ("said",), are_asked_for=True)
    assert telling_columns.settled(asked, [table], "here") is asked
    with pytest.raises(DataError, match=r"here: .*found none but said \(says the label\)"):
        telling_columns.settled(Columns("", "label", ("said",)), [table], "here")
