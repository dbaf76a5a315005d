"""One bottleneck adapter: a small network whose output is added to a frozen one's.

Houlsby et al. 2019 (https://arxiv.org/abs/1902.00751), in the form that FedDAT uses (Chen et
al., AAAI 2024, https://arxiv.org/abs/2308.12305): ReLU, no dropout, no normalisation.
"""

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

Initialisation = Literal["normal", "zero-up"]

_SPREAD = 0.02


@final
class Bottleneck(nn.Module):
    """A(x) = U relu(D x + b_D) + b_U.

    Parameters
    ----------
    width : int
        Width d of the hidden states.
    rank : int
        Width r of the bottleneck.
    init : Initialisation
        ``"normal"`` draws D and U from N(0, 0.02^2), as FedDAT does: nearly, not exactly,
        nothing is added at the start. ``"zero-up"`` draws D alone and sets U to 0: exactly
        nothing is added. Biases start at 0.
    generator : torch.Generator
        Source of the weights, on the CPU.
    """

    def __init__(
        self, width: int, rank: int, init: Initialisation, generator: torch.Generator
    ) -> None:
        super().__init__()
        # Linear layers made the usual way draw their first weights from the global generator.
        self.down = nn.Linear(width, rank, device="meta").to_empty(device="cpu")
        self.up = nn.Linear(rank, width, device="meta").to_empty(device="cpu")
        nn.init.normal_(self.down.weight, std=_SPREAD, generator=generator)
        if init == "normal":
            nn.init.normal_(self.up.weight, std=_SPREAD, generator=generator)
        else:
            nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what is to be added to hidden states (..., width), in their shape and dtype."""
        return _added(hidden, self.down.weight, self.down.bias, self.up.weight, self.up.bias)

    def constant(self, hidden: Tensor) -> Tensor:
        """Do the same, with gradients to the hidden states but none to the own weights."""
        return _added(
            hidden,
            self.down.weight.detach(),
            self.down.bias.detach(),
            self.up.weight.detach(),
            self.up.bias.detach(),
        )


def _added(hidden: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    # A backbone may compute in half precision; what is trained and averaged stays float32.
    narrow = functional.linear(hidden.to(down.dtype), down, down_bias).relu()  # (..., rank)
    return functional.linear(narrow, up, up_bias).to(hidden.dtype)  # (..., width)
