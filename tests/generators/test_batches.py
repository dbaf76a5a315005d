"""Drawing in batches that fit."""

import pytest
import torch
from torch import Tensor

from generators.batches import Batches
from strategies.common.errors import GeneratorError

_LATENTS = torch.arange(7.0)[:, None]
_CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "lack",
    [
        torch.OutOfMemoryError("no room"),
        MemoryError("no room"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_batches_that_do_not_fit_are_halved_for_good(lack: Exception) -> None:
    tried = []

    def draw(latents: Tensor) -> Tensor:
        tried.append(len(latents))
        if len(latents) > 2:
            raise lack
        return latents * 10

    batches = Batches("test", draw, "lower it")
    batches.choose(5, 1, _CPU)
    assert torch.equal(batches.draw(_LATENTS), _LATENTS * 10)
    # 5 fails, 2 fits; the last batch has one latent.
    assert tried == [5, 2, 2, 2, 1]
    batches.draw(_LATENTS[:3])
    assert tried[5:] == [2, 1]
    assert batches.size == 2


def test_one_image_that_does_not_fit_is_an_error_that_helps() -> None:
    def draw(latents: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no room")

    batches = Batches("test", draw, "lower it")
    batches.choose(4, 1, _CPU)
    with pytest.raises(GeneratorError, match=r"test: one image does not fit.*; lower it: no room"):
        batches.draw(_LATENTS)


def test_other_errors_are_passed_on() -> None:
    def draw(latents: Tensor) -> Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Batches("test", draw, "lower it").draw(_LATENTS)


def test_a_cpu_draws_one_by_one_unless_told_otherwise() -> None:
    sizes = []

    def draw(latents: Tensor) -> Tensor:
        sizes.append(len(latents))
        return latents

    batches = Batches("test", draw, "lower it")
    batches.choose(0, 1, _CPU)
    batches.draw(_LATENTS[:2])
    batches.choose(2, 1, _CPU)
    batches.draw(_LATENTS[:2])
    assert sizes == [1, 1, 2]
