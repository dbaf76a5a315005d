"""BLIP: a text encoder whose layers look at the image through cross attention.

Li, Li, Xiong and Hoi, "BLIP: Bootstrapping Language-Image Pre-training for Unified
Vision-Language Understanding and Generation", ICML 2022, https://arxiv.org/abs/2201.12086.

Its answer decoder is left out: a client's own head takes its place.
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
    from transformers import BlipForQuestionAnswering, PreTrainedTokenizerBase


@final
@dataclass(frozen=True, eq=False)
class Blip:
    """A BLIP question encoder as a backbone.

    Attributes
    ----------
    module : BlipForQuestionAnswering
        The network without its decoder: ``vision_model`` and ``text_encoder``.
    sha256 : str
        Digest of its folder.
    tokenizer : PreTrainedTokenizerBase
        Its own.
    normalisation : Normalisation
        Of its image processor.
    feature_dim : int
        Width of the text encoder's hidden state.
    image_size : int
        Side in pixels for which it has positions.
    limit : int
        Most tokens of a text.
    """

    module: "BlipForQuestionAnswering"
    sha256: str
    tokenizer: "PreTrainedTokenizerBase"
    normalisation: Normalisation
    feature_dim: int
    image_size: int
    limit: int

    def read(self, texts: Sequence[str]) -> Questions:
        """Turn texts into tokens; longer ones than the encoder's positions are cut."""
        return tokenise(self.tokenizer, texts, self.limit)

    def features(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Read image and question together; :class:`Backbone` says more."""
        inputs = self.normalisation.apply(images, self.image_size)
        patches = self.module.vision_model(pixel_values=inputs).last_hidden_state
        output = self.module.text_encoder(
            input_ids=tokens,
            attention_mask=mask,
            encoder_hidden_states=patches,
            encoder_attention_mask=patches.new_ones(patches.shape[:2], dtype=torch.int64),
        )
        hidden: Tensor = output.last_hidden_state
        return hidden[:, 0]


def open_folder(folder: ModelFolder, tokenizer: "PreTrainedTokenizerBase", sha256: str) -> Blip:
    """Load the encoders of a BLIP for question answering or image-text matching.

    Raises
    ------
    ModelError
        If weights of an encoder are missing.
    """
    from transformers import BlipForQuestionAnswering  # noqa: PLC0415

    module = pretrained.load_frozen(
        BlipForQuestionAnswering, folder.path, needed=("vision_model.", "text_encoder.")
    )
    del module.text_decoder
    return Blip(
        module,
        sha256,
        tokenizer,
        folder.normalisation,
        feature_dim=pretrained.size(module.config.text_config, "hidden_size"),
        image_size=pretrained.size(module.config.vision_config, "image_size"),
        limit=pretrained.text_limit(module.config.text_config, tokenizer),
    )
