"""Max pooling with the digits of PyTorch's, in less of a CPU's time.

PyTorch's kernel for CPUs compares several channels at once where they lie side by side in memory
(``channels_last``), and value by value where they do not, which takes four times as long. Of its
gradients the reverse is true. Here the places of the largest values are found the first way, and
the values taken from there as they lie.
"""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class MaxPooling(nn.MaxPool2d):
    """``nn.MaxPool2d`` of (batch, channels, height, width), without dilation."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the largest value of each window; of equal ones the first has the gradient."""
        pooled: Tensor
        if inputs.device.type != "cpu" or torch.compiler.is_exporting():
            pooled = super().forward(inputs)
            return pooled
        side_by_side = inputs.contiguous(memory_format=torch.channels_last)
        if not (torch.is_grad_enabled() and inputs.requires_grad):
            pooled = super().forward(side_by_side)
            return pooled.contiguous()
        with torch.no_grad():
            _, places = functional.max_pool2d(
                side_by_side, self.kernel_size, self.stride, self.padding, return_indices=True
            )
        return inputs.flatten(2).gather(2, places.flatten(2)).view(places.shape)
