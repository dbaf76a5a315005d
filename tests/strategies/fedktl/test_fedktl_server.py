"""The server half of FedKTL, and whole rounds of both halves in one process."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pytest
import torch

from strategies.common.errors import ModelError, WireError
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fedktl.client import FedKTLClient
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.server import FedKTLServer, FedKTLServerState
from strategies.fedktl.settings import FedKTLSettings
from strategies.fedktl.wire import ImageVectorPairs, Prototypes
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.fedktl.fake_generator import FakeGenerator

MakeRun = Callable[..., RunSettings]
MakeSettings = Callable[..., FedKTLSettings]
MakeServer = Callable[..., FedKTLServer]

TASK = Task(num_classes=5, channels=1, height=4, width=4, feature_dim=12)


@pytest.fixture
def make_server(run_settings: MakeRun, fedktl_settings: MakeSettings) -> MakeServer:
    def build(generator: FakeGenerator | None = None, **overrides: float | str) -> FedKTLServer:
        settings = fedktl_settings(**{"server_epochs": 5, **overrides})
        run = run_settings(server_device="cpu")
        return FedKTLServer(settings, run, FakeGenerator() if generator is None else generator)

    return build


def upload(labels: Sequence[int], seed: int = 0, num_classes: int = 5) -> Prototypes:
    generator = torch.Generator().manual_seed(seed)
    means = simplex_etf(num_classes, 0)[list(labels)]
    means = means + 0.2 * torch.randn(means.shape, generator=generator)
    return Prototypes(torch.nn.functional.normalize(means), torch.tensor(labels))


def got(server: FedKTLServer, state: FedKTLServerState) -> ImageVectorPairs:
    pairs = server.downlink(state, partition=0)
    assert pairs is not None
    return pairs


def test_nothing_is_sent_before_the_first_aggregation(make_server: MakeServer) -> None:
    server = make_server()

    assert server.downlink(server.start(TASK), partition=0) is None


def test_one_pair_per_uploaded_class(make_server: MakeServer) -> None:
    server = make_server()
    state = server.start(TASK)

    told = server.aggregate(state, 1, {0: upload([0, 3]), 1: upload([3], seed=1)})

    pairs = got(server, state)
    assert pairs.labels.tolist() == [0, 3]
    assert pairs.images.shape == (2, 1, 4, 4)
    assert pairs.images.dtype == torch.uint8
    assert pairs.vectors.shape == (2, 8)
    assert told.diagnostics["classes"] == 2


def test_images_are_drawn_from_the_vectors_that_are_sent(make_server: MakeServer) -> None:
    generator = FakeGenerator(side=16)
    server = make_server(generator)
    state = server.start(replace(TASK, channels=3))

    told = server.aggregate(state, 1, {0: upload([1, 2, 4])})

    pairs = got(server, state)
    pictures = generator.synthesize(pairs.vectors)
    assert [picture.name for picture in told.pictures] == ["class-1", "class-2", "class-4"]
    for index, picture in enumerate(told.pictures):
        assert torch.equal(picture.pixels, pictures[index])
        # Flat pictures stay what they are when shrunk to the clients' size.
        assert torch.equal(pairs.images[index], pictures[index, :, :4, :4])


def test_more_images_per_class_each_with_its_own_vector(make_server: MakeServer) -> None:
    generator = FakeGenerator(side=16)
    one, three = make_server(generator), make_server(generator, images_per_class=3)
    task = replace(TASK, channels=3)
    first, state = one.start(task), three.start(task)
    uplinks = {0: upload([0, 3]), 1: upload([3], seed=1)}

    one.aggregate(first, 1, uplinks)
    told = three.aggregate(state, 1, uplinks)

    alone, pairs = got(one, first), got(three, state)
    assert pairs.labels.tolist() == [0, 0, 0, 3, 3, 3]
    assert torch.equal(pairs.vectors[[0, 3]], alone.vectors)
    assert torch.equal(pairs.images, generator.synthesize(pairs.vectors)[:, :, :4, :4])
    # Pictures are the centroids': the folder of a run holds one per class.
    assert [picture.name for picture in told.pictures] == ["class-0", "class-3"]
    assert torch.equal(told.pictures[1].pixels, generator.synthesize(alone.vectors)[1])
    three.aggregate(state, 2, uplinks)
    again = got(three, state)
    assert not torch.equal(again.vectors[1] - again.vectors[0], pairs.vectors[1] - pairs.vectors[0])


def test_noise_is_sent_and_drawn_at_the_length_of_noise(make_server: MakeServer) -> None:
    generator = FakeGenerator(latent_dim=400, gaussian_latents=True)
    server = make_server(generator, images_per_class=2)
    state = server.start(replace(TASK, channels=3))

    told = server.aggregate(state, 1, {0: upload([0, 1, 4])})

    pairs = got(server, state)
    torch.testing.assert_close(pairs.vectors.norm(dim=1), torch.full((6,), 20.0))
    assert torch.equal(pairs.images, generator.synthesize(pairs.vectors)[:, :, :4, :4])
    assert told.diagnostics["centroid_norm"] == pytest.approx(20)
    assert told.diagnostics["aligned_norm"] < 19


def test_projection_can_be_switched_off(make_server: MakeServer) -> None:
    server = make_server(FakeGenerator(gaussian_latents=True), project_centroids="off")
    state = server.start(TASK)

    told = server.aggregate(state, 1, {0: upload([0, 3])})

    assert "aligned_norm" not in told.diagnostics
    assert server.resolved()["fedktl.project-centroids"] == "off"


def test_without_a_weight_nothing_is_trained_drawn_or_sent(make_server: MakeServer) -> None:
    server = make_server(transfer_weight=0.0)
    state = server.start(TASK)
    before = to_tensors(state)

    for uplinks, classes in (({0: upload([0, 3]), 1: upload([3])}, 2), ({}, 0)):
        told = server.aggregate(state, 1, uplinks)

        assert (told.diagnostics, told.notes, told.pictures) == ({"classes": classes}, (), ())
        assert server.downlink(state, partition=0) is None
    after = to_tensors(state)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_server_resolves_by_what_the_file_held(
    run_settings: MakeRun, fedktl_settings: MakeSettings
) -> None:
    run = run_settings(generator="stylegan:file.pkl", server_device="cpu")
    weights = [
        FedKTLServer(fedktl_settings(), run, generator).resolved()["fedktl.alignment-weight"]
        for generator in (FakeGenerator(), FakeGenerator(family="stylegan-xl"))
    ]

    assert weights == [0.1, 1.0]


def test_vectors_are_means_of_what_the_transformer_makes(make_server: MakeServer) -> None:
    server = make_server()
    state = server.start(TASK)
    uplinks = {0: upload([0, 3], seed=0), 1: upload([3], seed=1)}

    server.aggregate(state, 1, uplinks)

    with torch.no_grad():
        first = state.transformer.eval()(uplinks[0].means)
        second = state.transformer(uplinks[1].means)
    pairs = got(server, state)
    torch.testing.assert_close(pairs.vectors[0], first[0])
    torch.testing.assert_close(pairs.vectors[1], (first[1] + second[0]) / 2)


def test_absent_and_stale_classes_are_never_sent(make_server: MakeServer) -> None:
    server = make_server()
    state = server.start(TASK)

    server.aggregate(state, 1, {0: upload([0, 3])})
    assert got(server, state).labels.tolist() == [0, 3]
    server.aggregate(state, 2, {0: upload([0, 1])})

    assert got(server, state).labels.tolist() == [0, 1]


@pytest.mark.parametrize("uplinks", [{}, {2: upload([])}])
def test_a_round_without_prototypes_survives(
    uplinks: dict[int, Prototypes], make_server: MakeServer
) -> None:
    server = make_server()
    state = server.start(TASK)
    server.aggregate(state, 1, {0: upload([0, 3])})
    before = to_tensors(state)

    told = server.aggregate(state, 2, uplinks)

    assert server.downlink(state, partition=0) is None
    assert "no prototypes arrived" in told.notes[0]
    after = to_tensors(state)
    kept = [name for name in before if name.startswith("transformer/")]
    assert all(torch.equal(before[name], after[name]) for name in kept)
    server.aggregate(state, 3, {0: upload([2])})
    assert got(server, state).labels.tolist() == [2]


@pytest.mark.parametrize("count", [1, 5, 6])
def test_any_number_of_prototypes(count: int, make_server: MakeServer) -> None:
    # Batches of five: a lone prototype, a full batch, and a remainder of one.
    server = make_server(server_batch_size=5)
    state = server.start(TASK)
    uplinks = {partition: upload([partition % 5], seed=partition) for partition in range(count)}

    server.aggregate(state, 1, uplinks)

    pairs = got(server, state)
    assert len(pairs.labels) == min(count, 5)
    assert torch.isfinite(pairs.vectors).all()


def test_the_order_of_replies_does_not_matter(make_server: MakeServer) -> None:
    vectors = []
    for order in ([0, 1, 2], [2, 0, 1]):
        server = make_server()
        state = server.start(TASK)
        server.aggregate(state, 1, {p: upload([p, 4], seed=p) for p in order})
        vectors.append(got(server, state).vectors)

    assert torch.equal(*vectors)


def test_a_resumed_server_goes_on_to_the_last_bit(make_server: MakeServer) -> None:
    server = make_server()
    state = server.start(TASK)
    server.aggregate(state, 1, {0: upload([0, 1, 2])})
    resumed_server = make_server()
    resumed = resumed_server.start(TASK)
    load_tensors(resumed, to_tensors(state))
    sent, again = got(server, state), got(resumed_server, resumed)
    assert torch.equal(sent.images, again.images)

    server.aggregate(state, 2, {0: upload([1, 4], seed=2)})
    resumed_server.aggregate(resumed, 2, {0: upload([1, 4], seed=2)})

    assert torch.equal(got(server, state).vectors, got(resumed_server, resumed).vectors)


def test_rounds_draw_their_own_latents(make_server: MakeServer) -> None:
    vectors = []
    for round_number in (1, 2):
        server = make_server()
        state = server.start(TASK)
        server.aggregate(state, round_number, {0: upload([0, 1, 2])})
        vectors.append(got(server, state).vectors)

    assert not torch.equal(*vectors)


def test_one_object_serves_all_clients_until_the_next_round(make_server: MakeServer) -> None:
    server = make_server()
    state = server.start(TASK)
    server.aggregate(state, 1, {0: upload([0, 1])})
    first = server.downlink(state, partition=0)

    assert server.downlink(state, partition=1) is first
    server.aggregate(state, 2, {0: upload([0, 1])})
    assert server.downlink(state, partition=0) is not first


def test_prototypes_of_another_length_are_refused(make_server: MakeServer) -> None:
    server, fair = make_server(), upload([0, 2])
    server.check(1, fair)
    server.check(1, upload([]))
    server.check(1, replace(fair, means=fair.means.half().float()))

    with pytest.raises(WireError, match=r"client 1: fedktl\.prototypes\.means.*length 1, got 30"):
        server.check(1, replace(fair, means=fair.means * torch.tensor([[1.0], [30.0]])))


def test_less_than_two_classes_are_refused(make_server: MakeServer) -> None:
    with pytest.raises(ModelError, match="at least 2 classes, got 1"):
        make_server().start(replace(TASK, num_classes=1))


def test_divergence_stops_the_run(make_server: MakeServer) -> None:
    server = make_server(server_learning_rate=1e30)

    with pytest.raises(ModelError, match="diverged"):
        server.aggregate(server.start(TASK), 1, {0: upload([0, 1, 2])})


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
    run_settings: MakeRun,
    fedktl_settings: MakeSettings,
) -> None:
    # At a width of 512 the authors' set is blind, and the server says so.
    server = FedKTLServer(
        fedktl_settings(mmd_bandwidths=setting, server_epochs=1),
        run_settings(generator=generator, server_device="cpu"),
        FakeGenerator(latent_dim=512),
    )

    told = server.aggregate(server.start(TASK), 1, {0: upload([0, 1, 2])})

    blind = any("bandwidths 'stylegan' are too small" in note for note in told.notes)
    assert blind is (expected == "stylegan")


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 20, 12), (9, 1, 40), (4, 3, 3)])
def test_any_input_shape(shape: tuple[int, int, int], make_server: MakeServer) -> None:
    server = make_server()
    channels, height, width = shape
    state = server.start(replace(TASK, channels=channels, height=height, width=width))

    server.aggregate(state, 1, {0: upload([0, 4])})

    assert got(server, state).images.shape == (2, *shape)


def play(
    devices: Sequence[FakeDevice], server: FedKTLServer, settings: FedKTLSettings, rounds: int
) -> tuple[list[float], list[dict[str, float]]]:
    """Play rounds over the wire's bytes; return each client's last accuracy and all losses."""
    half, task = FedKTLClient(settings), devices[0].task
    standing = server.start(task)
    states = [half.start(device) for device in devices]
    losses: list[dict[str, float]] = []
    correct: list[float] = []
    for round_number in range(1, rounds + 1):
        uplinks, correct = {}, []
        for number, device in enumerate(devices):
            now = replace(device, round_number=round_number)
            pairs = server.downlink(standing, number)
            if pairs is not None:
                blob = encode(pairs, "float32")
                pairs = decode(ImageVectorPairs, blob, task, wire_dtype="float32", sender="server")
            trained = half.train(now, states[number], pairs)
            assert trained.uplink is not None
            losses.append(dict(trained.losses))
            blob = encode(trained.uplink, "float32")
            uplink = decode(Prototypes, blob, task, wire_dtype="float32", sender=f"client {number}")
            server.check(number, uplink)
            uplinks[number] = uplink
            tested = half.evaluate(now, states[number], pairs)
            correct.append(tested.correct / len(device.test))
        told = server.aggregate(standing, round_number, uplinks)
        assert all(torch.isfinite(torch.tensor(list(told.diagnostics.values()))))
    return correct, losses


def client(run: RunSettings, partition: int, held: Sequence[int], width: int) -> FakeDevice:
    inputs, labels = blobs(20, held, seed=partition)
    test_inputs, test_labels = blobs(10, held, seed=100 + partition)
    return FakeDevice(inputs, labels, test_inputs, test_labels, 5, width, run, partition=partition)


def test_three_rounds_of_unlike_clients(
    run_settings: MakeRun, fedktl_settings: MakeSettings
) -> None:
    settings, run = fedktl_settings(), run_settings(local_epochs=3, server_device="cpu")
    # Unlike widths of features; class 4 belongs to nobody.
    devices = [
        client(run, partition, held, width)
        for partition, (held, width) in enumerate([([0, 1, 2], 12), ([2, 3], 20), ([0, 3], 16)])
    ]

    played = [
        play(devices, FedKTLServer(settings, run, FakeGenerator()), settings, rounds=3)
        for _ in range(2)
    ]

    accuracies, losses = played[0]
    assert min(accuracies) > 0.9
    assert all("transfer" not in line for line in losses[:3])
    assert all(line["transfer"] > 0 for line in losses[3:])
    # Another go with the same seed is the same to the last bit.
    assert played[1] == played[0]


def test_a_single_client_and_the_cloud(
    run_settings: MakeRun, fedktl_settings: MakeSettings
) -> None:
    settings, run = fedktl_settings(), run_settings(local_epochs=3, server_device="cpu")
    server = FedKTLServer(settings, run, FakeGenerator())

    (accuracy,), losses = play([client(run, 0, range(5), 12)], server, settings, rounds=3)

    assert accuracy > 0.9
    assert losses[-1]["transfer"] > 0
