"""Whether a payload tells class counts, and what a user is to do about it."""

from typing import Literal, final

import pytest
from torch import Tensor

from strategies.common.payload import Payload, Sizes, labels, payload, sample_counts, tensor
from strategies.common.private_counts import class_counts_in
from strategies.common.settings import Settings


class _Sizeless(Payload):
    @classmethod
    def sizes(cls, agreed: object) -> Sizes:
        raise AssertionError("whether counts travel is known before any task is")


@payload("toy.always", version=1)
class Always(_Sizeless):
    classes: Tensor = labels("present")
    counts: Tensor = sample_counts("present")


@payload("toy.sometimes", version=1)
class Sometimes(_Sizeless):
    classes: Tensor = labels("present")
    counts: Tensor | None = sample_counts("present", travels_with=("rule", "counts"))


@payload("toy.if-asked", version=1)
class IfAsked(_Sizeless):
    classes: Tensor = labels("present")
    counts: Tensor | None = sample_counts("present", travels_with=("counted", True))


@payload("toy.by-client", version=1)
class ByClient(_Sizeless):
    classes: Tensor = labels("present")
    rows: Tensor = tensor("float", "present", "width")
    samples: Tensor = sample_counts("clients")


@final
class Toy(Settings):
    rule: Literal["counts", "alike", "median"] = "counts"
    counted: bool = True


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        (None, Toy(), ""),
        (ByClient, Toy(), ""),
        (Always, Toy(), "toy.always.counts tells {}; choose another method"),
        (Sometimes, Toy(), "toy.sometimes.counts tells {}; set toy.rule to 'alike' or 'median'"),
        (Sometimes, Toy(rule="alike"), ""),
        (IfAsked, Toy(), "toy.if-asked.counts tells {}; set toy.counted to anything but True"),
        (IfAsked, Toy(counted=False), ""),
    ],
)
def test_counts_along_an_axis_of_labels_are_named_where_they_travel(
    kind: type[Payload] | None, settings: Toy, told: str
) -> None:
    what = "how many samples of each class a client has"
    assert class_counts_in(kind, settings) == told.format(what)
