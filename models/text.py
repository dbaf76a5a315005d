"""Networks for texts as rows of word numbers, of which 0 fills short ones up to the common length.

All begin with a vector for each number; what is padding counts in none of them. Sizes are those of
small published models, so that they fit devices: see each builder.
"""

from typing import Final, final

import torch
from torch import Tensor, nn

from models.body import Body
from strategies.common.inputs import Tokens

WIDTH: Final = 128
_PADDING: Final = 0
# Words that a convolution sees, and its channels (Kim, 2014, has 100 of each).
_KERNELS: Final = (3, 4, 5)
_CHANNELS: Final = 100
_LAYERS, _HEADS, _HIDDEN = 2, 4, 256


def fasttext(tokens: Tokens) -> Body:
    """Build a mean of word vectors; its width is 128.

    Joulin et al., "Bag of Tricks for Efficient Text Classification" (EACL 2017), without n-grams.
    """
    return Body(_Mean(_vectors(tokens)), WIDTH)


def text_cnn(tokens: Tokens) -> Body:
    """Build convolutions over 3, 4 and 5 words, the largest of each counts; its width is 300.

    Kim, "Convolutional Neural Networks for Sentence Classification" (EMNLP 2014), static words
    aside. Texts of fewer words than a convolution sees are filled up.
    """
    return Body(_Convolutions(_vectors(tokens)), _CHANNELS * len(_KERNELS))


def text_lstm(tokens: Tokens) -> Body:
    """Build an LSTM whose outputs are averaged over a text's words; its width is 128."""
    return Body(_Recurrent(_vectors(tokens)), WIDTH)


def text_transformer(tokens: Tokens) -> Body:
    """Build a transformer of two layers, whose outputs are averaged; its width is 128.

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), with learnt positions.
    """
    return Body(_Attention(_vectors(tokens), tokens.length), WIDTH)


def _vectors(tokens: Tokens) -> nn.Embedding:
    return nn.Embedding(tokens.vocabulary, WIDTH, padding_idx=_PADDING)


def _mean_of_words(values: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean of (batch, length, width) over what is no padding; 0 where all is."""
    words = (tokens != _PADDING).to(values.dtype).unsqueeze(2)
    return (values * words).sum(1) / words.sum(1).clamp(min=1)


@final
class _Mean(nn.Module):
    def __init__(self, vectors: nn.Embedding) -> None:
        super().__init__()
        self.vectors = vectors

    def forward(self, tokens: Tensor) -> Tensor:
        return _mean_of_words(self.vectors(tokens), tokens)


@final
class _Convolutions(nn.Module):
    def __init__(self, vectors: nn.Embedding) -> None:
        super().__init__()
        self.vectors = vectors
        # Whatever follows the last word is padding too.
        self.fill = nn.ConstantPad1d((0, max(_KERNELS) - 1), 0.0)
        self.over = nn.ModuleList(nn.Conv1d(WIDTH, _CHANNELS, size) for size in _KERNELS)

    def forward(self, tokens: Tensor) -> Tensor:
        words = self.fill(self.vectors(tokens).transpose(1, 2))
        return torch.cat([one(words).relu().amax(2) for one in self.over], dim=1)


@final
class _Recurrent(nn.Module):
    def __init__(self, vectors: nn.Embedding) -> None:
        super().__init__()
        self.vectors = vectors
        self.over = nn.LSTM(WIDTH, WIDTH, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.over(self.vectors(tokens))
        return _mean_of_words(outputs, tokens)


@final
class _Attention(nn.Module):
    def __init__(self, vectors: nn.Embedding, length: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.places = nn.Parameter(torch.empty(1, length, WIDTH))
        nn.init.trunc_normal_(self.places, std=0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, _HEADS, _HIDDEN, dropout=0.0, batch_first=True, norm_first=True
        )
        self.over = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        is_padding = tokens == _PADDING
        # A text without a word attends to its first place: to nothing at all gives no number.
        is_padding = is_padding & ~is_padding.all(1, keepdim=True)
        outputs = self.over(self.vectors(tokens) + self.places, src_key_padding_mask=is_padding)
        return _mean_of_words(outputs, tokens)
