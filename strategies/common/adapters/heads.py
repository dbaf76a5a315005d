"""The private classifier over a client's own answers."""

from torch import nn

from strategies.common import seeds
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.device import AdapterDevice

# As everywhere in ViLT and BERT.
_STD = 0.02


def private_head(device: AdapterDevice, settings: AdapterSettings) -> nn.Sequential:
    """Build a client's head with fresh weights from N(0, 0.02^2) and biases of 0.

    Parameters
    ----------
    device : AdapterDevice
        Gives the width of the features, the number of answers and the seed.
    settings : AdapterSettings
        Its form: ``"linear"``, or ``"mlp"`` as in ViLT (Kim et al., ICML 2021, section 4.2).
    """
    width, answers = device.backbone.feature_dim, device.task.num_classes
    with seeds.seeded(seeds.derive(device.settings.seed, "head", partition=device.partition)):
        head = (
            nn.Sequential(nn.Linear(width, answers))
            if settings.head == "linear"
            else nn.Sequential(
                nn.Linear(width, 2 * width),
                nn.LayerNorm(2 * width),
                nn.GELU(),
                nn.Linear(2 * width, answers),
            )
        )
        for module in head:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=_STD)
                nn.init.zeros_(module.bias)
    return head.to(device.torch_device)
