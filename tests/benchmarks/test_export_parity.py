"""What counts as the outputs of the trained model, and what does not."""

import torch

from benchmarks.export_parity import compared

EXPECTED = torch.tensor([[0.0, 2.0, 1.0], [400.0, -400.0, 0.0]])


def test_differences_are_told_in_units_of_the_largest_output() -> None:
    found = EXPECTED + torch.tensor([[0.0, 0.0, 0.02], [0.0, 0.0, 0.0]])
    row = compared("cnn", "onnx", EXPECTED, found)
    assert abs(row.outputs - 0.02 / 400) < 1e-7
    # The first sample's scores move by more.
    assert 1e-3 < row.scores < 1e-2
    assert (row.same, row.count, row.is_good) == (2, 2, False)
    assert compared("cnn", "onnx", EXPECTED, found, classes=False).is_good
    assert compared("cnn", "onnx", EXPECTED, EXPECTED + 1e-5).is_good


def test_another_class_another_shape_and_no_number_are_wrong() -> None:
    assert not compared("cnn", "onnx", EXPECTED, EXPECTED[:, [1, 0, 2]]).is_good
    row = compared("cnn", "onnx", EXPECTED, EXPECTED[:1])
    assert not row.is_good
    assert row.reason == "outputs (1, 3) for (2, 3)"
    assert not compared("cnn", "onnx", EXPECTED, EXPECTED * float("nan")).is_good
