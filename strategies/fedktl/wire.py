"""What FedKTL's halves send each other.

Sizes are for float32; C stands for classes of the task, ``p`` for rows of the message, H for
the width of a latent vector.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from strategies.common.task import Task
from strategies.common.wire import Payload, Sizes, labels, tensor
from strategies.fedktl.settings import MAX_IMAGES_PER_CLASS

# Only the server knows the generator; a device bounds what it is willing to receive. The
# widest noise of today's diffusion models, 16 x 128 x 128, just fits.
MAX_LATENT_DIM = 262_144


@final
@dataclass(frozen=True)
class Prototypes(Payload):
    """One client's class prototypes, from device to server: ``4pC + 8p`` bytes and a header.

    Tells the server which classes the client holds and how the client's model confuses
    each of them with the others on average; no counts and no single sample, unless a class
    has only one.

    Attributes
    ----------
    means : Tensor
        (present, classes) float; unit length, direction of the mean projected feature.
    labels : Tensor
        (present,) int64; class of each row.
    """

    schema: ClassVar[str] = "fedktl.prototypes"
    version: ClassVar[int] = 1

    means: Tensor = tensor("float", "present", "classes")
    labels: Tensor = labels("present")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return one row per class at most, as wide as the number of classes."""
        classes = task.num_classes
        return Sizes(classes, {"classes": classes}, {"present": classes})


@final
@dataclass(frozen=True)
class ImageVectorPairs(Payload):
    """Images with their latent vectors, class by class (D_I), from server to every device.

    It takes ``p(4H + channels * height * width + 8)`` bytes and a header, and tells each
    device which classes anyone uploaded in the round before, and a function of the mean of
    their prototypes. Images come from the generator alone and show no one's data.

    Attributes
    ----------
    images : Tensor
        (pairs, channels, height, width) uint8 at the clients' size.
    vectors : Tensor
        (pairs, latent) float; what each image was drawn from: the latent centroid for a
        class's first image, a vector close to it for others.
    labels : Tensor
        (pairs,) int64; class of each pair, once for each of its images. Training does not
        read it: the vector is the target.
    """

    schema: ClassVar[str] = "fedktl.pairs"
    version: ClassVar[int] = 1

    images: Tensor = tensor("uint8", "pairs", "channels", "height", "width")
    vectors: Tensor = tensor("float", "pairs", "latent")
    labels: Tensor = labels("pairs", unique=False)

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return the most images a class may have, at the task's image size."""
        exact = {"channels": task.channels, "height": task.height, "width": task.width}
        pairs = task.num_classes * MAX_IMAGES_PER_CLASS
        at_most = {"pairs": pairs, "latent": MAX_LATENT_DIM}
        return Sizes(task.num_classes, exact, at_most)
