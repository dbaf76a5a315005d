"""Models for texts: what is padding counts in none, and each learns to tell words apart."""

import pytest
import torch
from torch.nn import functional

from models import catalogue
from strategies.common.inputs import Tokens
from strategies.common.model import FeatureModel
from strategies.common.task import Task

NAMES = [name for name, (_, kind) in catalogue.MODELS.items() if kind.kind is Tokens]
WIDTHS = {"fasttext": 128, "text_cnn": 300, "text_lstm": 128, "text_transformer": 128}


def built(name: str, length: int = 12, vocabulary: int = 50) -> FeatureModel:
    return catalogue.build(name, Task(3, Tokens(length, vocabulary), 0), 0, seed=1)


def test_there_are_unlike_models() -> None:
    assert {name: built(name).feature_dim for name in NAMES} == WIDTHS


@pytest.mark.parametrize("name", NAMES)
def test_padding_counts_in_none(name: str) -> None:
    short, long = built(name, 6).eval(), built(name, 14).eval()
    long.load_state_dict(
        {k: v for k, v in short.state_dict().items() if k != "body.places"}, strict=False
    )
    if name == "text_transformer":
        with torch.no_grad():
            long.body.places[:, :6].copy_(short.body.places)  # type: ignore[union-attr,index,operator]
    words = torch.tensor([[3, 9, 4, 0, 0, 0], [7, 0, 0, 0, 0, 0]])
    padded = functional.pad(words, (0, 8))
    torch.testing.assert_close(long.features(padded), short.features(words), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 2, 40])
def test_any_length_is_read_and_no_word_at_all_gives_numbers(name: str, length: int) -> None:
    model = built(name, length).eval()
    words = torch.randint(1, 50, (4, length), generator=torch.Generator().manual_seed(0))
    words[3] = 0
    found = model(words)
    assert found.shape == (4, 3)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("name", NAMES)
def test_features_are_no_log_probabilities_and_logits_have_either_sign(name: str) -> None:
    """HtFLlib's readers end in a log-softmax, to which means and distances of features then bow."""
    words = torch.randint(1, 50, (40, 12), generator=torch.Generator().manual_seed(0))
    model = built(name).eval()
    with torch.no_grad():
        features, logits = model.features(words), model(words)
    assert float((features.exp().sum(1) - 1).abs().min()) > 0.01
    assert bool((logits > 0).any())
    assert bool((logits < 0).any())


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_which_words_are_whose(name: str) -> None:
    order = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    words = 1 + 16 * labels[:, None] + torch.randint(16, (90, 12), generator=order)
    words[torch.rand(90, 12, generator=order) < 0.3] = 0
    model = built(name)
    optimiser = torch.optim.Adam(model.parameters(), 0.003)
    for _ in range(12):
        optimiser.zero_grad()
        functional.cross_entropy(model(words[:60]), labels[:60]).backward()
        optimiser.step()
    right = (model.eval()(words[60:]).argmax(1) == labels[60:]).float().mean()
    assert float(right) > 0.8
