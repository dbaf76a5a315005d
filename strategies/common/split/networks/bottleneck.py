"""A pair of convolutions at the cut that makes what crosses it smaller: ``C4S2`` and others.

Li et al., "ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack in
Split Federated Learning" (CVPR 2022). The client narrows its activations to
few channels and, by strides of 2, to a smaller side; the server widens them again. With
``C4S2`` the 64x32x32 values at ResNet-18's first cuts become 4x16x16, 64 times fewer.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from torch import nn

from strategies.common.errors import SettingsError

_NAME = re.compile(r"(noRELU_)?C([1-9][0-9]{0,2})S([1248])(?:K([1357]))?")
DEFAULT_KERNEL = 3


@final
@dataclass(frozen=True)
class Bottleneck:
    """What the setting says: ``[noRELU_]C<channels>S<stride>[K<kernel>]``.

    Attributes
    ----------
    channels : int
        Channels that cross the cut.
    stride : int
        How many times shorter a side becomes: 1, 2, 4 or 8.
    kernel : int
        Side of the filters; other than 3 for stride 1 alone.
    rectified : bool
        Whether a ReLU follows each convolution.
    """

    channels: int
    stride: int
    kernel: int
    rectified: bool

    def encoder(self, inputs: int) -> nn.Sequential:
        """Return the client's part: (batch, inputs, h, w) to (batch, channels, h', w').

        With stride 1 it is one convolution; otherwise one for every halving, which rounds
        odd sides up.
        """
        stride = min(self.stride, 2)
        widths = [inputs] + [self.channels] * self._stages
        return nn.Sequential(
            *(
                self._stage(
                    nn.Conv2d(before, after, self.kernel, stride=stride, padding=self.kernel // 2)
                )
                for before, after in pairwise(widths)
            )
        )

    def decoder(self, outputs: int, height: int, width: int) -> nn.Sequential:
        """Return the server's part: (batch, channels, h', w') to (batch, outputs, h, w).

        Parameters
        ----------
        outputs : int
            Channels at the cut.
        height, width : int
            Size at the cut, which transposed convolutions restore exactly.
        """
        if self.stride == 1:
            padding = self.kernel // 2
            return nn.Sequential(
                self._stage(nn.Conv2d(self.channels, outputs, self.kernel, padding=padding))
            )
        sizes = [(height, width)]
        for _ in range(self._stages - 1):
            rows, columns = sizes[-1]
            sizes.append((-(-rows // 2), -(-columns // 2)))
        stages = []
        for index, (rows, columns) in reversed(list(enumerate(sizes))):
            # A stage gives 2n - 1 pixels from n, and one more where the side was even.
            missing = (1 - rows % 2, 1 - columns % 2)
            stages.append(
                self._stage(
                    nn.ConvTranspose2d(
                        self.channels,
                        self.channels if index else outputs,
                        self.kernel,
                        stride=2,
                        padding=self.kernel // 2,
                        output_padding=missing,
                    )
                )
            )
        return nn.Sequential(*stages)

    @property
    def _stages(self) -> int:
        return max(self.stride.bit_length() - 1, 1)

    def _stage(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layer, nn.ReLU() if self.rectified else nn.Identity())


def read(name: str) -> Bottleneck | None:
    """Read the setting; an empty name is no bottleneck.

    Raises
    ------
    SettingsError
        If the name does not follow the pattern, or gives a kernel to a stride beyond 1.
    """
    if not name:
        return None
    match = _NAME.fullmatch(name)
    if match is None:
        raise SettingsError(
            f"setting split.bottleneck: expected C<channels>S<1, 2, 4 or 8>, such as C4S2 or "
            f"noRELU_C8S1, got {name!r}"
        )
    linear, channels, stride, kernel = match.groups()
    if kernel is not None and stride != "1":
        raise SettingsError(
            f"setting split.bottleneck: expected K<kernel> with stride 1 alone, got {name!r}; "
            f"leave out K{kernel}"
        )
    return Bottleneck(
        int(channels), int(stride), int(kernel or DEFAULT_KERNEL), rectified=linear is None
    )
