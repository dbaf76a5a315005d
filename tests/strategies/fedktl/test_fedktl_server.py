"""The server half of FedKTL, and whole rounds of both halves in one process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest
import torch

from strategies.common.errors import ModelError, SettingsError, WireError
from strategies.common.inputs import Images, Inputs, Tokens, Windows
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.server import FedKTLServer, FedKTLServerState
from strategies.fedktl.wire import ImageVectorPairs, Prototypes
from tests.strategies.fedktl.fake_generator import FakeGenerator
from tests.strategies.halves import agreed, replies, run_of, server

TASK = Task(num_classes=5, inputs=Images(1, 4, 4), feature_dim=12)


def make_server(
    generator: FakeGenerator | None = None,
    task: Task = TASK,
    spec: str = "oriented",
    **own: float | str,
) -> FedKTLServer:
    run = run_of("fedktl", generator=spec)
    chosen = {"server_epochs": 5, **own}
    built: FedKTLServer = server(
        "fedktl", task, run, lambda: generator or FakeGenerator(), **chosen
    )
    return built


def upload(labels: Sequence[int], seed: int = 0, num_classes: int = 5) -> Prototypes:
    generator = torch.Generator().manual_seed(seed)
    means = simplex_etf(num_classes, 0)[list(labels)]
    means = means + 0.2 * torch.randn(means.shape, generator=generator)
    return Prototypes(torch.nn.functional.normalize(means), torch.tensor(labels))


def got(half: FedKTLServer, state: FedKTLServerState) -> ImageVectorPairs:
    pairs = half.broadcast(state)
    assert pairs is not None
    return pairs


def test_nothing_is_sent_before_the_first_aggregation() -> None:
    half = make_server()

    assert half.broadcast(half.start()) is None


def test_one_pair_per_uploaded_class() -> None:
    half = make_server()
    state = half.start()

    told = half.aggregate(state, 1, replies({0: upload([0, 3]), 1: upload([3], seed=1)}))

    pairs = got(half, state)
    assert pairs.labels.tolist() == [0, 3]
    assert pairs.images.shape == (2, 1, 4, 4)
    assert pairs.images.dtype == torch.uint8
    assert pairs.vectors.shape == (2, 8)
    assert told.diagnostics["classes"] == 2


def test_images_are_drawn_from_the_vectors_that_are_sent() -> None:
    generator = FakeGenerator(side=16)
    half = make_server(generator, replace(TASK, inputs=Images(3, 4, 4)))
    state = half.start()

    told = half.aggregate(state, 1, replies({0: upload([1, 2, 4])}))

    pairs = got(half, state)
    pictures = generator.synthesize(pairs.vectors)
    assert [picture.name for picture in told.pictures] == ["class-1", "class-2", "class-4"]
    for index, picture in enumerate(told.pictures):
        assert torch.equal(picture.pixels, pictures[index])
        # Flat pictures stay what they are when shrunk to the clients' size.
        assert torch.equal(pairs.images[index], pictures[index, :, :4, :4])


def test_more_images_per_class_each_with_its_own_vector() -> None:
    generator = FakeGenerator(side=16)
    task = replace(TASK, inputs=Images(3, 4, 4))
    one, three = make_server(generator, task), make_server(generator, task, images_per_class=3)
    first, state = one.start(), three.start()
    uplinks = {0: upload([0, 3]), 1: upload([3], seed=1)}

    one.aggregate(first, 1, replies(uplinks))
    told = three.aggregate(state, 1, replies(uplinks))

    alone, pairs = got(one, first), got(three, state)
    assert pairs.labels.tolist() == [0, 0, 0, 3, 3, 3]
    assert torch.equal(pairs.vectors[[0, 3]], alone.vectors)
    assert torch.equal(pairs.images, generator.synthesize(pairs.vectors)[:, :, :4, :4])
    # Pictures are the centroids': the folder of a run holds one per class.
    assert [picture.name for picture in told.pictures] == ["class-0", "class-3"]
    assert torch.equal(told.pictures[1].pixels, generator.synthesize(alone.vectors)[1])
    three.aggregate(state, 2, replies(uplinks))
    again = got(three, state)
    assert not torch.equal(again.vectors[1] - again.vectors[0], pairs.vectors[1] - pairs.vectors[0])


def test_noise_is_sent_and_drawn_at_the_length_of_noise() -> None:
    generator = FakeGenerator(latent_dim=400, gaussian_latents=True)
    half = make_server(generator, replace(TASK, inputs=Images(3, 4, 4)), images_per_class=2)
    state = half.start()

    told = half.aggregate(state, 1, replies({0: upload([0, 1, 4])}))

    pairs = got(half, state)
    torch.testing.assert_close(pairs.vectors.norm(dim=1), torch.full((6,), 20.0))
    assert torch.equal(pairs.images, generator.synthesize(pairs.vectors)[:, :, :4, :4])
    assert told.diagnostics["centroid_norm"] == pytest.approx(20)
    assert told.diagnostics["aligned_norm"] < 19


def test_projection_can_be_switched_off() -> None:
    half = make_server(FakeGenerator(gaussian_latents=True), project_centroids="off")
    state = half.start()

    told = half.aggregate(state, 1, replies({0: upload([0, 3])}))

    assert "aligned_norm" not in told.diagnostics
    assert half.resolved()["fedktl.project-centroids"] == "off"


def test_without_a_weight_nothing_is_trained_drawn_or_sent() -> None:
    half = make_server(transfer_weight=0.0)
    state = half.start()
    before = to_tensors(state)

    for uplinks, classes in (({0: upload([0, 3]), 1: upload([3])}, 2), ({}, 0)):
        told = half.aggregate(state, 1, replies(uplinks))

        assert (told.diagnostics, told.notes, told.pictures) == ({"classes": classes}, (), ())
        assert half.broadcast(state) is None
    after = to_tensors(state)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_server_resolves_by_what_the_file_held() -> None:
    weights = [
        make_server(generator, spec="stylegan:file.pkl").resolved()["fedktl.alignment-weight"]
        for generator in (FakeGenerator(), FakeGenerator(family="stylegan-xl"))
    ]

    assert weights == [0.1, 1.0]


def test_the_server_tells_the_width_of_its_latents_and_refuses_another() -> None:
    assert make_server(FakeGenerator(latent_dim=7)).resolved()["fedktl.latent-dim"] == 7
    assert make_server(latent_dim=8).resolved()["fedktl.latent-dim"] == 8

    with pytest.raises(SettingsError, match=r"fedktl\.latent-dim: expected 0 or 8, .* got 9"):
        make_server(latent_dim=9)


def test_vectors_are_means_of_what_the_transformer_makes() -> None:
    half = make_server()
    state = half.start()
    uplinks = {0: upload([0, 3], seed=0), 1: upload([3], seed=1)}

    half.aggregate(state, 1, replies(uplinks))

    with torch.no_grad():
        first = state.transformer.eval()(uplinks[0].rows)
        second = state.transformer(uplinks[1].rows)
    pairs = got(half, state)
    torch.testing.assert_close(pairs.vectors[0], first[0])
    torch.testing.assert_close(pairs.vectors[1], (first[1] + second[0]) / 2)


def test_absent_and_stale_classes_are_never_sent() -> None:
    half = make_server()
    state = half.start()

    half.aggregate(state, 1, replies({0: upload([0, 3])}))
    assert got(half, state).labels.tolist() == [0, 3]
    half.aggregate(state, 2, replies({0: upload([0, 1])}))

    assert got(half, state).labels.tolist() == [0, 1]


@pytest.mark.parametrize("uplinks", [{}, {2: upload([])}])
def test_a_round_without_prototypes_survives(uplinks: Mapping[int, Prototypes]) -> None:
    half = make_server()
    state = half.start()
    half.aggregate(state, 1, replies({0: upload([0, 3])}))
    before = to_tensors(state)

    told = half.aggregate(state, 2, replies(uplinks))

    assert half.broadcast(state) is None
    assert "no prototypes arrived" in told.notes[0]
    after = to_tensors(state)
    kept = [name for name in before if name.startswith("transformer/")]
    assert all(torch.equal(before[name], after[name]) for name in kept)
    half.aggregate(state, 3, replies({0: upload([2])}))
    assert got(half, state).labels.tolist() == [2]


@pytest.mark.parametrize("count", [1, 5, 6])
def test_any_number_of_prototypes(count: int) -> None:
    # Batches of five: a lone prototype, a full batch, and a remainder of one.
    half = make_server(server_batch_size=5)
    state = half.start()
    uplinks = {partition: upload([partition % 5], seed=partition) for partition in range(count)}

    half.aggregate(state, 1, replies(uplinks))

    pairs = got(half, state)
    assert len(pairs.labels) == min(count, 5)
    assert torch.isfinite(pairs.vectors).all()


def test_a_resumed_server_goes_on_to_the_last_bit() -> None:
    half = make_server()
    state = half.start()
    half.aggregate(state, 1, replies({0: upload([0, 1, 2])}))
    resumed_half = make_server()
    resumed = resumed_half.start()
    load_tensors(resumed, to_tensors(state))
    sent, again = got(half, state), got(resumed_half, resumed)
    assert torch.equal(sent.images, again.images)

    half.aggregate(state, 2, replies({0: upload([1, 4], seed=2)}))
    resumed_half.aggregate(resumed, 2, replies({0: upload([1, 4], seed=2)}))

    assert torch.equal(got(half, state).vectors, got(resumed_half, resumed).vectors)


def test_rounds_draw_their_own_latents() -> None:
    vectors = []
    for round_number in (1, 2):
        half = make_server()
        state = half.start()
        half.aggregate(state, round_number, replies({0: upload([0, 1, 2])}))
        vectors.append(got(half, state).vectors)

    assert not torch.equal(*vectors)


def test_prototypes_of_another_length_are_refused() -> None:
    fair, known = upload([0, 2]), agreed("fedktl", TASK)
    half_precise = replace(fair, rows=fair.rows.half().float())
    for good in (fair, upload([]), half_precise):
        assert len(decode(Prototypes, encode(good, "float32"), known, sender="client 1").rows) == (
            len(good.labels)
        )

    bad = replace(fair, rows=fair.rows * torch.tensor([[1.0], [30.0]]))
    with pytest.raises(WireError, match=r"client 1: fedktl\.prototypes\.rows.*length 1, got 30"):
        decode(Prototypes, encode(bad, "float32"), known, sender="client 1")


def test_less_than_two_classes_are_refused() -> None:
    with pytest.raises(ModelError, match="at least 2 classes, got 1"):
        make_server(task=replace(TASK, num_classes=1)).start()


def test_divergence_stops_the_run() -> None:
    half = make_server(server_learning_rate=1e30)

    with pytest.raises(ModelError, match="diverged"):
        half.aggregate(half.start(), 1, replies({0: upload([0, 1, 2])}))


@pytest.mark.parametrize(
    ("generator", "setting", "expected"),
    [
        ("oriented", "auto", "median"),
        ("stylegan:weights.pkl", "auto", "stylegan"),
        ("diffusers:folder", "auto", "median"),
        ("oriented", "stylegan", "stylegan"),
        ("stylegan:weights.pkl", "median", "median"),
    ],
)
def test_bandwidths_follow_the_generator(
    generator: str,
    setting: str,
    expected: Literal["stylegan", "median"],
) -> None:
    # At a width of 512 the authors' set is blind, and the server says so.
    half = make_server(
        FakeGenerator(latent_dim=512), spec=generator, mmd_bandwidths=setting, server_epochs=1
    )

    told = half.aggregate(half.start(), 1, replies({0: upload([0, 1, 2])}))

    blind = any("bandwidths 'stylegan' are too small" in note for note in told.notes)
    assert blind is (expected == "stylegan")


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [
        (Images(1, 6, 6), (1, 6, 6)),
        (Images(3, 20, 12), (3, 20, 12)),
        (Windows(9, 40), (9, 1, 40)),
        (Images(4, 3, 3), (4, 3, 3)),
    ],
)
def test_any_input_shape(inputs: Inputs, shape: tuple[int, int, int]) -> None:
    half = make_server(task=replace(TASK, inputs=inputs))
    state = half.start()

    half.aggregate(state, 1, replies({0: upload([0, 4])}))

    assert got(half, state).images.shape == (2, *shape)


def test_texts_are_refused_before_the_first_round() -> None:
    with pytest.raises(ModelError, match=r"method fedktl: expected images or windows, .* tokens"):
        make_server(task=replace(TASK, inputs=Tokens(6, 100))).start()
    # Without a generator's pictures nothing has to resemble a text.
    alone = make_server(task=replace(TASK, inputs=Tokens(6, 100)), transfer_weight=0.0)
    assert alone.broadcast(alone.start()) is None
