"""One round of Local as straight-line code: the baseline of every page."""

import copy

import torch
from torch.nn import functional

from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_local_is_what_sgd_on_ones_own_labels_gives() -> None:
    eta, batch = 0.1, 4
    run = halves.run_of("local", learning_rate=eta, batch_size=batch)
    x, y = blobs(3, [0, 1])
    x_test, y_test = blobs(2, [0, 1], seed=1)
    device = FakeDevice(x, y, x_test, y_test, num_classes=2, feature_dim=5, settings=run)
    half = halves.client("local", device.task, run)
    state = half.start(device)
    w = copy.deepcopy(state.model)

    # w <- w - eta grad l(w; b) for every batch b of the local epoch.
    total = 0.0
    for b in torch.randperm(6, generator=device.generator("batches")).split(batch):
        loss = functional.cross_entropy(w(x[b]), y[b])
        gradients = torch.autograd.grad(loss, list(w.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(w.parameters(), gradients, strict=True):
                parameter.sub_(eta * gradient)
        total += loss.item() * len(b)
    # Accuracy is that of the client's own model on its own test samples, after training.
    logits = w(x_test)
    correct = (logits.argmax(1) == y_test).sum().item()
    test_loss = functional.cross_entropy(logits, y_test).item()

    trained = half.train(device, state, None)
    tested = half.evaluate(device, state, None)
    assert trained.uplink is None
    torch.testing.assert_close(trained.losses["total"], total / 6)
    torch.testing.assert_close(state.model.state_dict(), w.state_dict())
    assert tested.correct == correct
    torch.testing.assert_close(tested.loss, test_loss)
