"""A device's part in an evaluation: samples as they are, through the synchronised model."""

import torch
from torch import Tensor

from strategies.common.device import ExchangeDevice
from strategies.common.samples import Samples, ordered_batches, prepare
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.wire.frames import Split

# Samples that pass the client model at once; the stream splits no smaller.
BATCH = 64


def send_samples(
    device: ExchangeDevice,
    client: int,
    split: Split,
    samples: Samples,
    models: StackedModels,
    model: Tensor,
) -> None:
    """Send the server the activations of samples that are not augmented, with their labels.

    Parameters
    ----------
    device : ExchangeDevice
        The node, whose link they take.
    client : int
        Logical client that they belong to.
    split : str
        What they serve.
    samples : Samples
        Any number of them.
    models : StackedModels
        Computes client models.
    model : Tensor
        (parameters,) the synchronised client model, on the device that computes.

    Raises
    ------
    ExchangeError
        If the server cannot be reached or does not answer in time.
    """
    for part in ordered_batches(len(samples), BATCH):
        inputs = prepare(samples.inputs[part].to(device.torch_device))
        with torch.no_grad():
            (activations,) = models(model[None], inputs[None])
        device.link.survey(client, split, activations.cpu(), samples.labels[part])
