"""What a frozen foundation model offers to methods that train adapters on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Questions:
    """Texts as a backbone reads them.

    Attributes
    ----------
    tokens : Tensor
        (texts, tokens) int64, padded to one length.
    mask : Tensor
        (texts, tokens) int64; 1 for a token, 0 for padding.
    num_cut : int
        Texts that were longer than the tokenizer's limit and lost their end.
    """

    tokens: Tensor
    mask: Tensor
    num_cut: int


class Backbone(Protocol):
    """A pretrained vision-language model, loaded once per process and never trained or sent."""

    @property
    def module(self) -> nn.Module:
        """The network: parameters without gradients, in evaluation mode."""
        ...

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of configuration, tokenizer and weights: the same on all clients."""
        ...

    @property
    def feature_dim(self) -> int:
        """Width of :meth:`features`."""
        ...

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that it reads."""
        ...

    def read(self, texts: Sequence[str]) -> Questions:
        """Turn texts into tokens; longer ones than the tokenizer's limit are cut and counted."""
        ...

    def features(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Read image and question together; draws from no random generator.

        Parameters
        ----------
        images : Tensor
            (batch, 3, side, side) uint8.
        tokens, mask : Tensor
            (batch, tokens) int64, of :meth:`read`.

        Returns
        -------
        Tensor
            (batch, feature_dim) float32; gradients reach whatever is attached to the module.
        """
        ...
