"""A client's class prototypes."""

import math

import torch

from strategies.fedktl.prototypes import class_prototypes


def test_means_by_hand() -> None:
    # Class 0: mean of (1, 0) and (0.6, 0.8) is (0.8, 0.4), of length sqrt(0.8): (2, 1)/sqrt(5).
    # Class 1 has no sample. Class 2: its only row.
    first = (torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.tensor([0, 2]))
    second = (torch.tensor([[0.6, 0.8]]), torch.tensor([0]))

    means, labels = class_prototypes([first, second], num_classes=3)

    assert labels.tolist() == [0, 2]
    expected = torch.tensor([[2 / math.sqrt(5), 1 / math.sqrt(5)], [0.0, -1.0]])
    torch.testing.assert_close(means, expected)


def test_a_mean_without_direction_is_absent() -> None:
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])

    means, labels = class_prototypes([(rows, torch.tensor([0, 0, 1]))], num_classes=2)

    assert labels.tolist() == [1]
    torch.testing.assert_close(means, torch.tensor([[0.0, 1.0]]))


def test_no_direction_at_all_is_an_empty_table() -> None:
    means, labels = class_prototypes([(torch.zeros(3, 2), torch.tensor([0, 1, 1]))], num_classes=2)

    assert means.shape == (0, 2)
    assert labels.shape == (0,)
    assert labels.dtype == torch.int64


def test_batches_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator))
    labels = torch.randint(4, (30,), generator=generator)

    whole, present = class_prototypes([(rows, labels)], num_classes=4)
    parts, _ = class_prototypes([(rows[:7], labels[:7]), (rows[7:], labels[7:])], num_classes=4)

    torch.testing.assert_close(whole, parts)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(len(present)))
