"""The course itself: questions with masked answers and captions with masked words by turns."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from client_app.backbones import vilt
from client_app.backbones.pixels import Normalisation
from client_app.backbones.pretraining import examples
from client_app.backbones.pretraining.examples import Gaps
from client_app.backbones.pretraining.recipe import IMAGE_SIZE, Recipe
from client_app.data.digitgrid import pretraining
from client_app.data.digitgrid.handwriting import Handwriting
from strategies.common import seeds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ViltForMaskedLM


def learn(
    model: "ViltForMaskedLM",
    tokenizer: "PreTrainedTokenizerBase",
    sheet: Handwriting,
    recipe: Recipe,
    tell: Callable[[int, float], None],
) -> None:
    """Train a model in place, on the CPU.

    Parameters
    ----------
    model : ViltForMaskedLM
        With random weights.
    tokenizer : PreTrainedTokenizerBase
        Of its words.
    sheet : Handwriting
        Digits to paint with; only those set aside for pretraining are used.
    recipe : Recipe
        Steps, sizes and seed.
    tell : Callable[[int, float], None]
        Is told the number of steps done and the last loss (nats per word), after each.
    """
    optimiser = torch.optim.AdamW(_groups(model, recipe), betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _learning_rate_factor(step, recipe)
    )
    generator = seeds.generator(recipe.seed, "pretraining pictures")
    model.train()
    for step in range(recipe.steps):
        batch = pretraining.draw(sheet, recipe.batch_size, generator)
        gaps = (
            examples.masked_answers(batch.questions, batch.answers, tokenizer)
            if step % 2 == 0
            else examples.masked_captions(batch.captions, tokenizer, recipe.masked_share, generator)
        )
        loss = functional.cross_entropy(guesses(model, batch.images, gaps), gaps.words)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        tell(step + 1, loss.item())
    nn.Module.eval(model)


def guesses(model: "ViltForMaskedLM", images: Tensor, gaps: Gaps) -> Tensor:
    """Return (gaps, words) logits of what belongs into every gap.

    Parameters
    ----------
    model : ViltForMaskedLM
        Model with its head for words.
    images : Tensor
        (texts, 3, side, side) uint8.
    gaps : Gaps
        Texts, one per image.
    """
    inputs = Normalisation().apply(images, IMAGE_SIZE)
    hidden, _ = vilt.run(model.vilt, inputs, gaps.tokens, gaps.mask)
    # Guessing at the gaps alone spares the head all other places.
    logits: Tensor = model.mlm_score(hidden[:, : gaps.tokens.shape[1]][gaps.asked])
    return logits


def _groups(model: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    trained = list(model.parameters())
    return [
        {
            "params": [weights for weights in trained if (weights.dim() > 1) == decayed],
            "lr": recipe.learning_rate,
            "weight_decay": recipe.weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
    ]


def _learning_rate_factor(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    rest = max(1, recipe.steps - recipe.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - recipe.warmup_steps) / rest)))
