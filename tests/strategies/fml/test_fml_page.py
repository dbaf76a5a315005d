"""Two rounds of FML as straight-line code: Shen et al., 2020, eq. 6 and 7 and algorithm 1."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from models import catalogue
from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def kl(p: Tensor, q: Tensor) -> Tensor:
    """D_KL(p || q), mean over the batch."""
    return (p * (p.log() - q.log())).sum(1).mean()


@pytest.mark.parametrize("detach", [True, False])
def test_two_rounds_of_fml_agree_with_their_page(detach: bool) -> None:
    eta, batch, alpha, beta = 0.05, 4, 0.6, 0.3
    run = halves.run_of("fml", learning_rate=eta, batch_size=batch, feature_dim=5)
    own = {"model": "cnn", "label_weight": alpha, "meme_label_weight": beta, "detach": detach}
    data = [blobs(2, [0, 1], seed=0, shape=(1, 8, 8)), blobs(4, [1, 2], seed=1, shape=(1, 8, 8))]

    def device(k: int, r: int) -> FakeDevice:
        return FakeDevice(*data[k], *data[k], 3, 5, run, round_number=r, partition=k)

    half = halves.client("fml", device(0, 1).task, run, **own)
    server = halves.server("fml", device(0, 1).task, run, **own)
    kept, states = server.start(), [half.start(device(k, 1)) for k in range(2)]
    local = [copy.deepcopy(state.model) for state in states]
    # The meme that all begin with is drawn from the run's seed.
    globe = catalogue.build("cnn", device(0, 1).task, 5, run.seed)
    for r in (1, 2):
        memes = [copy.deepcopy(globe) for _ in range(2)]  # fork
        for k in range(2):
            x, y = data[k]
            for b in torch.randperm(len(y), generator=device(k, r).generator("batches")).split(4):
                own_logits, meme_logits = local[k](x[b]), memes[k](x[b])
                p_local, p_meme = own_logits.softmax(1), meme_logits.softmax(1)
                taught_local = p_meme.detach() if detach else p_meme
                taught_meme = p_local.detach() if detach else p_local
                l_local = alpha * functional.cross_entropy(own_logits, y[b])
                l_local = l_local + (1 - alpha) * kl(taught_local, p_local)
                l_meme = beta * functional.cross_entropy(meme_logits, y[b])
                l_meme = l_meme + (1 - beta) * kl(taught_meme, p_meme)
                every = [*local[k].parameters(), *memes[k].parameters()]
                gradients = torch.autograd.grad(l_local + l_meme, every)
                with torch.no_grad():
                    for parameter, gradient in zip(every, gradients, strict=True):
                        parameter.sub_(eta * gradient)
        # Merge: the plain mean of all memes.
        with torch.no_grad():
            for parameter, *sent in zip(
                globe.parameters(), *(m.parameters() for m in memes), strict=True
            ):
                parameter.copy_(torch.stack(sent).mean(0))

        down = server.broadcast(kept)
        trained = [half.train(device(k, r), states[k], down) for k in range(2)]
        for k in range(2):
            torch.testing.assert_close(
                states[k].model.state_dict(), local[k].state_dict(), rtol=1e-4, atol=1e-6
            )
        replies = [Reply(k, len(data[k][1]), one.uplink) for k, one in enumerate(trained)]
        server.aggregate(kept, r, replies)
        torch.testing.assert_close(
            server.broadcast(kept).parameters,
            parameters_to_vector(globe.parameters()).detach(),
            rtol=1e-4,
            atol=1e-6,
        )
