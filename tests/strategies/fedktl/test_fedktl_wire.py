"""FedKTL's payloads: there and back, sizes, refusals."""

from dataclasses import replace

import pytest
import torch

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.settings import MAX_IMAGES_PER_CLASS
from strategies.fedktl.wire import ImageVectorPairs, Prototypes
from tests.strategies.halves import agreed, run_of

TASK = Task(num_classes=10, inputs=Images(3, 8, 8), feature_dim=16)
LATENT = 12
AGREED = agreed("fedktl", TASK, latent_dim=LATENT)


def pairs(count: int, task: Task = TASK, latent: int = LATENT) -> ImageVectorPairs:
    generator = torch.Generator().manual_seed(0)
    shape = (count, *task.images.shape)
    return ImageVectorPairs(
        images=torch.randint(256, shape, generator=generator, dtype=torch.uint8),
        vectors=torch.randn(count, latent, generator=generator),
        labels=torch.arange(count),
    )


def prototypes(labels: list[int], num_classes: int = 10) -> Prototypes:
    return Prototypes(simplex_etf(num_classes, 0)[labels], torch.tensor(labels, dtype=torch.int64))


@pytest.mark.parametrize("labels", [[], [3], [0, 4, 9]])
def test_prototypes_there_and_back(labels: list[int]) -> None:
    sent = prototypes(labels)

    got = decode(Prototypes, encode(sent, "float32"), AGREED, sender="client 0")

    assert torch.equal(got.rows, sent.rows)
    assert torch.equal(got.labels, sent.labels)


@pytest.mark.parametrize("wire_dtype", ["float32", "float16"])
def test_pairs_there_and_back(wire_dtype: str) -> None:
    sent = pairs(4)

    blob = encode(sent, wire_dtype)
    known = agreed("fedktl", TASK, run_of("fedktl", wire_dtype=wire_dtype), latent_dim=LATENT)
    got = decode(ImageVectorPairs, blob, known, sender="server")

    assert torch.equal(got.images, sent.images)
    assert torch.equal(got.labels, sent.labels)
    torch.testing.assert_close(got.vectors, sent.vectors, rtol=1e-3, atol=1e-3)


def test_prototypes_of_another_number_of_classes_are_refused() -> None:
    blob = encode(prototypes([0, 1], num_classes=9), "float32")

    with pytest.raises(WireError, match=r"client 7: fedktl\.prototypes\.rows.*width=10.*9"):
        decode(Prototypes, blob, AGREED, sender="client 7")


def test_images_of_another_size_are_refused() -> None:
    other = Task(num_classes=10, inputs=Images(3, 9, 8), feature_dim=16)
    blob = encode(pairs(2, other), "float32")

    with pytest.raises(WireError, match=r"fedktl\.pairs\.images.*height=8"):
        decode(ImageVectorPairs, blob, AGREED, sender="server")


def test_a_class_may_have_many_images_but_not_any_number() -> None:
    # Two classes: at most twice the images per class that are set.
    task = Task(num_classes=2, inputs=Images(1, 2, 2), feature_dim=16)
    most = 2 * MAX_IMAGES_PER_CLASS
    known = agreed("fedktl", task, latent_dim=3, images_per_class=MAX_IMAGES_PER_CLASS)
    full, beyond = (
        replace(pairs(count, task, latent=3), labels=torch.arange(count) % 2)
        for count in (most, most + 1)
    )

    blob = encode(full, "float32")
    got = decode(ImageVectorPairs, blob, known, sender="server")
    assert torch.equal(got.labels, full.labels)
    blob = encode(beyond, "float32")
    with pytest.raises(WireError, match=rf"fedktl\.pairs\.images.*pairs<={most}"):
        decode(ImageVectorPairs, blob, known, sender="server")


def test_a_class_sent_twice_is_refused() -> None:
    blob = encode(prototypes([3, 3]), "float32")

    with pytest.raises(WireError, match="each class once"):
        decode(Prototypes, blob, AGREED, sender="client 0")


@pytest.mark.parametrize(("classes", "owned"), [(10, 5), (100, 45)])
def test_uplink_size_is_the_papers(classes: int, owned: int) -> None:
    sent = prototypes(list(range(owned)), classes)

    assert len(encode(sent, "float32")) <= 4 * owned * classes + 700


@pytest.mark.parametrize(("classes", "side", "latent"), [(10, 32, 64), (100, 32, 512)])
def test_downlink_size_is_the_papers_with_bytes_for_pixels(
    classes: int, side: int, latent: int
) -> None:
    task = Task(classes, Images(3, side, side), feature_dim=512)

    size = len(encode(pairs(classes, task, latent), "float32"))

    assert size <= classes * (4 * latent + 3 * side * side) + 1700
