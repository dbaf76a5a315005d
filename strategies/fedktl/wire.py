"""What FedKTL's halves send each other.

Sizes are for float32; C stands for classes of the task, ``p`` for rows of the message, H for
the width of a latent vector.
"""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import ModelError
from strategies.common.inputs import Images, Inputs, Windows
from strategies.common.payload import Payload, Sizes, labels, payload, tensor
from strategies.common.payloads import ClassRows
from strategies.common.round import Phase
from strategies.fedktl.settings import FedKTLSettings

# Unit vectors that travelled as float16 are off by a thousandth.
_LENGTH_TOLERANCE = 0.01


def picture_shape(inputs: Inputs, settings: FedKTLSettings) -> tuple[int, int, int]:
    """Return channels, height and width of the picture that stands for one input.

    A window of readings is a picture of height 1. Nothing is drawn for what no picture resembles.

    Raises
    ------
    ModelError
        Of what no picture resembles, where pictures are to be drawn.
    """
    match inputs:
        case Images(channels, height, width):
            return channels, height, width
        case Windows(channels, steps):
            return channels, 1, steps
    if settings.transfer_weight == 0:
        return 0, 0, 0
    raise ModelError(
        f"method fedktl: expected images or windows, which a generator's pictures can stand for, "
        f"got {inputs}; choose local, fd or fedproto, or do without pictures: "
        f"fedktl.transfer-weight=0"
    )


@final
@payload("fedktl.prototypes", version=2)
class Prototypes(ClassRows):
    """One client's class prototypes, from device to server: ``4pC + 8p`` bytes and a header.

    Tells the server which classes the client holds and how the client's model confuses
    each of them with the others on average; no counts and no single sample, unless a class
    has only one.

    Rows are of unit length: directions of the mean projected features.
    """

    compared = False

    @classmethod
    def width(cls, agreed: Agreed) -> int:
        """Return the number of classes."""
        return agreed.task.num_classes

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse rows that are not of unit length: one alone could sway all others."""
        lengths = self.rows.norm(dim=1)
        errors = (lengths - 1).abs()
        if bool((errors > _LENGTH_TOLERANCE).any()):
            return f"rows: expected length 1, got {lengths[errors.argmax()].item():.4g}"
        return None


@final
@payload("fedktl.pairs", version=1)
class ImageVectorPairs(Payload):
    """Images with their latent vectors, class by class (D_I), from server to every device.

    It takes ``p(4H + channels * height * width + 8)`` bytes and a header, and tells each
    device which classes anyone uploaded in the round before, and a function of the mean of
    their prototypes. Images come from the generator alone and show no one's data.

    Attributes
    ----------
    images : Tensor
        (pairs, channels, height, width) uint8 at the clients' size; windows have height 1.
    vectors : Tensor
        (pairs, latent) float; what each image was drawn from: the latent centroid for a
        class's first image, a vector close to it for others.
    labels : Tensor
        (pairs,) int64; class of each pair, once for each of its images. Training does not
        read it: the vector is the target.
    """

    images: Tensor = tensor("uint8", "pairs", "channels", "height", "width")
    vectors: Tensor = tensor("float", "pairs", "latent")
    labels: Tensor = labels("pairs", unique=False)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the shape of an image and of a latent vector, and all classes' images."""
        task, settings = agreed.task, agreed.settings
        assert isinstance(settings, FedKTLSettings)  # noqa: S101 - by the table of methods
        channels, height, width = picture_shape(task.inputs, settings)
        image = {"channels": channels, "height": height, "width": width}
        pairs = task.num_classes * settings.images_per_class
        return Sizes({**image, "latent": settings.latent_dim}, {"pairs": pairs})


WIRE = Phase(up=Prototypes, down=ImageVectorPairs)
