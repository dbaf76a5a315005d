"""A frozen model that reads pictures and words, small enough for tests of adapter methods."""

import hashlib
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.adapters.backbone import Questions
from strategies.common.samples import prepare

WORDS = ("[PAD]", "what", "colour", "digit", "is", "it", "?", "[UNK]")
WIDTH = 8
SIDE = 4
LONGEST = 6


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        mixed: Tensor = self.query(hidden).tanh() * self.value(hidden).mean(1, keepdim=True)
        return mixed


class _Block(nn.Module):
    """A pre-norm block: mixing over tokens in attention's place, then a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = _Attention()
        self.feed_forward = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        mixed = hidden + self.attention(hidden)
        return mixed + self.feed_forward(self.norm(mixed)).relu()


class _Network(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.pixels = nn.Linear(3 * SIDE * SIDE, WIDTH)
        self.words = nn.Embedding(len(WORDS), WIDTH)
        self.layers = nn.ModuleList(_Block() for _ in range(blocks))

    def forward(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        small = functional.adaptive_avg_pool2d(prepare(images), SIDE)
        seen = self.pixels(small.flatten(1))[:, None]
        read = self.words(tokens) * mask[..., None]
        hidden = torch.cat([seen, read], 1)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden[:, 0]


@final
class TinyBackbone:
    """Satisfies ``strategies.common.adapters.backbone.Backbone``.

    Parameters
    ----------
    blocks : int
        Places for adapters.
    seed : int
        Another one is another model.
    """

    def __init__(self, blocks: int = 2, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module: nn.Module = _Network(blocks).eval().requires_grad_(requires_grad=False)
        self.feature_dim = WIDTH
        self.image_size = SIDE
        self.sha256 = hashlib.sha256(f"tiny/{blocks}/{seed}".encode()).hexdigest()

    def read(self, texts: Sequence[str]) -> Questions:
        """Give every known word its number."""
        rows = [[WORDS.index(w) if w in WORDS else 7 for w in text.split()] for text in texts]
        num_cut = sum(len(row) > LONGEST for row in rows)
        tokens = torch.zeros(len(rows), LONGEST, dtype=torch.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row[:LONGEST])] = torch.tensor(row[:LONGEST])
        return Questions(tokens, (tokens > 0).long(), num_cut)

    def features(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Read picture and words."""
        features: Tensor = self.module(images, tokens, mask)
        return features
