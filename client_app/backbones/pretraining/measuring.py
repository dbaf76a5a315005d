"""What a pretrained model learned, told on handwriting that it has never seen."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.backbones.pretraining import examples
from client_app.backbones.pretraining.examples import Gaps
from client_app.backbones.pretraining.learning import guesses
from client_app.backbones.pretraining.recipe import Recipe
from client_app.data.digitgrid import pretraining
from client_app.data.digitgrid.handwriting import Handwriting, Portion
from strategies.common import seeds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ViltForMaskedLM

_AT_ONCE = 500


@final
@dataclass(frozen=True)
class Accuracy:
    """Shares of right guesses on held-out handwriting, from 0 to 1.

    Attributes
    ----------
    captions : float
        Of masked words of captions.
    answers : float
        Of masked answers to questions, the kinds mixed.
    pictures : int
        On how many pictures both were measured.
    """

    captions: float
    answers: float
    pictures: int

    def as_json(self) -> dict[str, float | int]:
        """Return the numbers by name."""
        return asdict(self)


@torch.no_grad()
def measure(
    model: "ViltForMaskedLM",
    tokenizer: "PreTrainedTokenizerBase",
    sheet: Handwriting,
    recipe: Recipe,
    pictures: int,
) -> Accuracy:
    """Let a model guess on pictures of the handwriting kept for tests.

    Parameters
    ----------
    model, tokenizer, sheet, recipe
        As they were in pretraining.
    pictures : int
        Pictures to draw; each has one caption and one question.
    """
    generator = seeds.generator(recipe.seed, "pretraining accuracy")
    captions: list[Tensor] = []
    answers: list[Tensor] = []
    for start in range(0, pictures, _AT_ONCE):
        count = min(_AT_ONCE, pictures - start)
        batch = pretraining.draw(sheet, count, generator, portion=Portion.TEST)
        masked = examples.masked_captions(batch.captions, tokenizer, recipe.masked_share, generator)
        asked = examples.masked_answers(batch.questions, batch.answers, tokenizer)
        captions.append(_right(model, batch.images, masked))
        answers.append(_right(model, batch.images, asked))
    return Accuracy(_share(captions), _share(answers), pictures)


def _right(model: "ViltForMaskedLM", images: Tensor, gaps: Gaps) -> Tensor:
    return guesses(model, images, gaps).argmax(dim=1) == gaps.words


def _share(right: list[Tensor]) -> float:
    return float(torch.cat(right).double().mean())
