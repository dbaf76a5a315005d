"""CLIP and SigLIP: an image tower and a text tower whose outputs share one space.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML
2021, https://arxiv.org/abs/2103.00020; Zhai et al., "Sigmoid Loss for Language Image
Pre-Training", ICCV 2023, https://arxiv.org/abs/2303.15343.

Neither tower sees the other's input, so that a head learns from both embeddings and their
product what the question asks of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.backbones import pretrained
from client_app.backbones.model_folder import ModelFolder
from client_app.backbones.pixels import Normalisation
from client_app.backbones.tokenising import tokenise
from strategies.common.adapters.backbone import Questions

if TYPE_CHECKING:
    from transformers import CLIPModel, PreTrainedTokenizerBase, SiglipModel

SIGLIP = "siglip"


@final
@dataclass(frozen=True, eq=False)
class DualTowers:
    """Two towers as a backbone.

    Attributes
    ----------
    module : CLIPModel | SiglipModel
        The network.
    sha256 : str
        Digest of its folder.
    tokenizer : PreTrainedTokenizerBase
        Its own.
    normalisation : Normalisation
        Of its image processor.
    feature_dim : int
        Three times the width of the common space.
    image_size : int
        Side in pixels for which it has positions.
    limit : int
        Most tokens of a text.
    fills_texts : bool
        Whether texts are padded to their limit and the padding is read too, as SigLIP is
        trained; it takes its text embedding from the last position.
    """

    module: "CLIPModel | SiglipModel"
    sha256: str
    tokenizer: "PreTrainedTokenizerBase"
    normalisation: Normalisation
    feature_dim: int
    image_size: int
    limit: int
    fills_texts: bool

    def read(self, texts: Sequence[str]) -> Questions:
        """Turn texts into tokens; a cut keeps the closing mark, which CLIP reads."""
        return tokenise(self.tokenizer, texts, self.limit, to_limit=self.fills_texts)

    def features(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Read image and question together; :class:`Backbone` says more.

        Both embeddings keep their direction, which alone their training loss sees, and get a
        root mean square of one, so that a head meets all three parts at one scale.
        """
        inputs = self.normalisation.apply(images, self.image_size)
        seen = self.module.get_image_features(pixel_values=inputs).pooler_output
        read = self.module.get_text_features(
            input_ids=tokens, attention_mask=None if self.fills_texts else mask
        ).pooler_output
        seen, read = _unit_scale(seen), _unit_scale(read)
        return torch.cat((seen, read, seen * read), dim=1)


def open_folder(
    folder: ModelFolder, tokenizer: "PreTrainedTokenizerBase", sha256: str
) -> DualTowers:
    """Load a CLIP or a SigLIP.

    Raises
    ------
    ModelError
        If weights are missing.
    """
    from transformers import CLIPModel, SiglipModel  # noqa: PLC0415

    module: CLIPModel | SiglipModel
    if folder.model_type == SIGLIP:
        module = pretrained.load_frozen(SiglipModel, folder.path)
        width = pretrained.size(module.config.vision_config, "hidden_size")
    else:
        module = pretrained.load_frozen(CLIPModel, folder.path)
        width = pretrained.size(module.config, "projection_dim")
    return DualTowers(
        module,
        sha256,
        tokenizer,
        folder.normalisation,
        feature_dim=3 * width,
        image_size=pretrained.size(module.config.vision_config, "image_size"),
        limit=pretrained.text_limit(module.config.text_config, tokenizer),
        fills_texts=folder.model_type == SIGLIP,
    )


def _unit_scale(embedding: Tensor) -> Tensor:
    # The floor keeps an embedding of zeros finite.
    return embedding * embedding.pow(2).mean(dim=1, keepdim=True).clamp_min(1e-12).rsqrt()
