"""A model of your own beside one of the zoo, in one federation.

A class of this file is played in this process, where breakpoints stop; one that is imported
from another file may be played by several processes.
"""

from torch import nn

from nectar import Images, play


class Perceptron(nn.Sequential):
    """Features of small images, without a classifier: Nectar adds pooling and head."""

    def __init__(self, inputs: Images, num_classes: int) -> None:
        pixels = inputs.channels * inputs.height * inputs.width
        super().__init__(nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU())


run = play(
    method="fedproto",
    clients=4,
    rounds=5,
    data="digits",
    models=["cnn", Perceptron],
    feature_dim=64,
    name="own-model",
    resume=True,
)

for number, client in run.rounds[-1].answered.items():
    print(f"client {number}: {client.model:10}  accuracy {client.accuracy:.3f}")
