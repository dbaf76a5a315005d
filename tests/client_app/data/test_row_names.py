import torch

from client_app.data.row_names import NO_LABEL, RowNames

FILES = ["train.parquet", "test.parquet"]


def test_rows_of_one_file_are_numbers_and_those_of_more_name_theirs() -> None:
    rows = torch.tensor([0, 2, 3, 6])
    assert list(RowNames(rows, [7])) == ["row 0", "row 2", "row 3", "row 6"]
    named = RowNames(rows, [3, 4], FILES)
    assert len(named) == 4
    assert named[1:] == ["train.parquet row 2", "test.parquet row 0", "test.parquet row 3"]
    assert named[1] == "train.parquet row 2"


def test_rows_that_are_not_there_have_no_label() -> None:
    named = RowNames(torch.tensor([0, 2, 3, 6]), [3, 4], FILES)
    assert named.unlabelled == {
        NO_LABEL: ["train.parquet row 1", "test.parquet row 1", "test.parquet row 2"]
    }
    assert RowNames(torch.arange(7), [3, 4], FILES).unlabelled == {}
