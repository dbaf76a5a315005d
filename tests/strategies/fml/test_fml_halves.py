"""FML: what teaches what, what travels, and what a client keeps to itself."""

import pytest
import torch

from strategies.common.errors import ModelError, WireError
from strategies.common.round import Reply
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import NamedModel
from strategies.common.wire import decode, encode
from strategies.fml.wire import Meme
from strategies.methods import method_settings
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def device_of(seed: int = 0, **settings: float) -> FakeDevice:
    x, y = blobs(4, [0, 1, 2], seed=seed, shape=(1, 8, 8))
    usual = {"learning_rate": 0.1, "batch_size": 6, "feature_dim": 5}
    run = halves.run_of("fml", **{**usual, **settings})
    return FakeDevice(x, y, x, y, 3, 5, run)


def gradients_of(device: FakeDevice, **own: bool | float | str) -> dict[str, bool]:
    """Return which of the two models a client's own divergence reaches."""
    half = halves.client("fml", device.task, device.settings, **own)
    state = half.start(device)
    plan = half.local_training(device, state, None)
    (model,), (meme,) = plan.groups
    found = plan.losses(device.inputs, device.labels)
    reached = {}
    for name, network in (("model", model), ("meme", meme)):
        gradients = torch.autograd.grad(
            found["from_shared"], list(network.parameters()), retain_graph=True, allow_unused=True
        )
        reached[name] = any(gradient is not None for gradient in gradients)
    return reached


def test_no_gradient_reaches_a_teacher_unless_asked_for() -> None:
    """HtFLlib sends both losses through both models."""
    assert gradients_of(device_of()) == {"model": True, "meme": False}
    assert gradients_of(device_of(), detach=False) == {"model": True, "meme": True}


def test_a_divergence_is_a_mean_over_the_batch_unless_over_all_entries() -> None:
    """HtFLlib divides by the number of classes once more: 3 here."""
    device, found = device_of(), {}
    for reduction in ("batch", "entries"):
        half = halves.client("fml", device.task, device.settings, reduction=reduction)
        plan = half.local_training(device, half.start(device), None)
        found[reduction] = plan.losses(device.inputs, device.labels)["from_shared"].item()
    assert found["batch"] == pytest.approx(3 * found["entries"], rel=1e-6)
    assert found["entries"] > 0


def test_weights_of_1_learn_from_labels_alone_as_local_does() -> None:
    device = device_of()
    half = halves.client("fml", device.task, device.settings, label_weight=1.0)
    local = halves.client("local", device.task, device.settings)
    state, alone = half.start(device), local.start(device)
    half.train(device, state, None)
    local.train(device, alone, None)
    torch.testing.assert_close(state.model.state_dict(), alone.model.state_dict())


def test_all_memes_begin_alike_and_the_server_can_weigh_them_by_samples() -> None:
    device = device_of()
    half = halves.client("fml", device.task, device.settings)
    sent = []
    for seed in (0, 1):
        # A step size of next to nothing leaves memes where they begin.
        one = device_of(seed, learning_rate=1e-12)
        sent.append(half.train(one, half.start(one), None).uplink.parameters)
    torch.testing.assert_close(sent[0], sent[1])
    empty = torch.zeros(0)
    for aggregation, mean in (("uniform", 2.0), ("samples", 1.5)):
        server = halves.server("fml", device.task, device.settings, aggregation=aggregation)
        state = server.start()
        ones = (
            Meme(torch.full_like(sent[0], 1.0), empty),
            Meme(torch.full_like(sent[0], 3.0), empty),
        )
        server.aggregate(state, 1, [Reply(0, 30, ones[0]), Reply(1, 10, ones[1])])
        torch.testing.assert_close(
            server.broadcast(state).parameters, torch.full_like(sent[0], mean)
        )


def test_the_meme_is_the_first_of_the_runs_models_unless_it_is_named() -> None:
    config = {**default_config(), "method": "fml", "models": " resnet4 ,cnn"}
    run = read_run(config)
    assert method_settings("fml", config).named_model(run) == NamedModel("fml.model", "resnet4")
    named = method_settings("fml", {**config, "fml.model": "cnn"})
    assert named.named_model(run) == NamedModel("fml.model", "cnn")


def test_lengths_follow_from_the_meme_and_negative_variances_are_refused() -> None:
    device = device_of()
    server = halves.server("fml", device.task, device.settings, model="resnet4")
    sizes, own = Meme.sizes(server.agreed).exact, server.agreed.beside
    assert sizes == {"parameters": own.parameters, "statistics": own.statistics}
    assert own.variances * 2 == own.statistics > 0
    bad = Meme(torch.zeros(own.parameters), torch.full((own.statistics,), -0.5))
    told = r"client 4: fml\.meme\.statistics: expected variances of at least 0, got -0\.5"
    with pytest.raises(WireError, match=told):
        decode(Meme, encode(bad, "float32"), server.agreed, sender="client 4")


def test_gradients_are_clipped_where_asked_for() -> None:
    device = device_of()
    for max_norm, expected in ((0.0, None), (10.0, 10.0)):
        half = halves.client("fml", device.task, device.settings, max_norm=max_norm)
        assert half.local_training(device, half.start(device), None).max_norm == expected


def test_a_client_is_tested_by_its_own_model_at_once() -> None:
    assert halves.client("fml").testing().name == "TRAINED"


def test_a_meme_that_cannot_read_the_inputs_is_refused_with_those_that_can() -> None:
    device = device_of()
    half = halves.client("fml", run=device.settings, model="sensor_cnn")
    with pytest.raises(ModelError, match=r"'sensor_cnn': expected sensor windows.*cnn, resnet4"):
        half.provided.agree(device.task)
