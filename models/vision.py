"""torchvision's networks, untrained, for images of 8 to 224 pixels with any channels.

Three things differ from torchvision's own:

* the first convolution takes the data's channels, and images below 28 pixels enter through
  the small stem of ``stem.py``; from 28 pixels up the convolutions' geometry is torchvision's;
* GoogLeNet and MobileNetV2 have no dropout before the head: it would make the features
  that clients exchange random, and would draw from a global generator;
* a vision transformer's image is padded with zeros (mid-grey once normalised), evenly on
  both sides, to the next square that its patches divide.

GoogLeNet has no auxiliary classifiers, which serve its head alone, and does not re-scale
its input, which is only right for weights ported from elsewhere. Transformers end in the
same linear head as all models, where HtFLlib gives them a hidden layer of 768 units.
torchvision is imported only when one of these is built.
"""

from torch import nn

from models import stem
from models.body import Body
from strategies.common.inputs import Images


def resnet18(images: Images) -> Body:
    """Build ResNet-18; its width is 512."""
    return _resnet(images, "resnet18", 512)


def resnet34(images: Images) -> Body:
    """Build ResNet-34; its width is 512."""
    return _resnet(images, "resnet34", 512)


def resnet50(images: Images) -> Body:
    """Build ResNet-50; its width is 2048."""
    return _resnet(images, "resnet50", 2048)


def googlenet(images: Images) -> Body:
    """Build GoogLeNet (Inception v1 with batch normalisation); its width is 1024."""
    from torchvision.models import GoogLeNet  # noqa: PLC0415 - see the module's docstring

    network = GoogLeNet(aux_logits=False, transform_input=False, init_weights=True, dropout=0.0)
    first = stem.convolution(images, 64, kernel=7)
    nn.init.trunc_normal_(first.weight, std=0.01)
    network.conv1.conv = first
    network.maxpool1 = stem.pooling(images, network.maxpool1)
    network.fc = nn.Identity()
    return Body(network, 1024)


def mobilenet_v2(images: Images) -> Body:
    """Build MobileNetV2; its width is 1280."""
    from torchvision.models import MobileNetV2  # noqa: PLC0415 - see the module's docstring

    network = MobileNetV2()
    network.features[0][0] = stem.convolution(images, 32, kernel=3)
    network.classifier = nn.Identity()
    return Body(network, 1280)


def vit_tiny(images: Images) -> Body:
    """Build DeiT-Ti's transformer with patches that suit small images; its width is 192.

    Touvron et al., "Training data-efficient image transformers" (ICML 2021, table 1). Its
    patches of 16 pixels are kept above 64 pixels; smaller images get smaller patches, so
    that 16 to 64 of them cover an image.
    """
    side = max(images.height, images.width)
    patch = next((patch for patch in (2, 4, 8) if side <= 8 * patch), 16)
    return _vit(images, patch, layers=12, heads=3, width=192)


def vit_b_16(images: Images) -> Body:
    """Build ViT-B with patches of 16 pixels; its width is 768.

    Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021, table 1). Images of up
    to 16 pixels are a single patch.
    """
    return _vit(images, 16, layers=12, heads=12, width=768)


def vit_b_32(images: Images) -> Body:
    """Build ViT-B with patches of 32 pixels; its width is 768.

    Images of up to 32 pixels are a single patch, as they are in HtFLlib.
    """
    return _vit(images, 32, layers=12, heads=12, width=768)


def _resnet(images: Images, name: str, width: int) -> Body:
    from torchvision import models  # noqa: PLC0415 - see the module's docstring

    network = getattr(models, name)(weights=None)
    network.conv1 = stem.convolution(images, 64, kernel=7)
    network.maxpool = stem.pooling(images, network.maxpool)
    network.fc = nn.Identity()
    return Body(network, width)


def _vit(images: Images, patch: int, *, layers: int, heads: int, width: int) -> Body:
    from torchvision.models import VisionTransformer  # noqa: PLC0415 - see the module's docstring

    side = -(-max(images.height, images.width) // patch) * patch
    network = VisionTransformer(side, patch, layers, heads, width, 4 * width)
    if images.channels != 3:
        network.conv_proj = nn.Conv2d(images.channels, width, patch, stride=patch)
        nn.init.trunc_normal_(network.conv_proj.weight, std=(images.channels * patch**2) ** -0.5)
        nn.init.zeros_(network.conv_proj.bias)
    network.heads = nn.Identity()
    rows, columns = side - images.height, side - images.width
    frame = nn.ZeroPad2d((columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return Body(nn.Sequential(frame, network), width)
