"""ViLT: one transformer that reads words and image patches together.

Kim, Son and Kim, "ViLT: Vision-and-Language Transformer Without Convolution or Region
Supervision", ICML 2021, https://arxiv.org/abs/2102.03334.

The library's own forward shuffles the patches of every image by a draw from torch's global
generator. The order of patches carries no meaning, since each has its position added before,
but the sums then round differently each time. Here the patches are embedded in their own
order and handed to the model as they are.
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
from strategies.common.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ViltModel
    from transformers.models.vilt.modeling_vilt import ViltEmbeddings

READOUT_KEY = "readout"
READOUT_MASK = "mask"
READOUT_POOLER = "pooler"


@final
@dataclass(frozen=True, eq=False)
class Vilt:
    """A ViLT as a backbone.

    Attributes
    ----------
    module : ViltModel
        The network.
    sha256 : str
        Digest of its folder.
    tokenizer : PreTrainedTokenizerBase
        Its own.
    normalisation : Normalisation
        Of its image processor.
    feature_dim : int
        Width of the hidden state.
    image_size : int
        Side in pixels for which it has positions.
    limit : int
        Most tokens of a text.
    asks_mask : bool
        Whether features are the hidden state at a [MASK] that is put at the end of every
        question, where a model pretrained on masked words expects an answer; otherwise they
        are the pooler's output, as in the published model.
    """

    module: "ViltModel"
    sha256: str
    tokenizer: "PreTrainedTokenizerBase"
    normalisation: Normalisation
    feature_dim: int
    image_size: int
    limit: int
    asks_mask: bool

    def read(self, texts: Sequence[str]) -> Questions:
        """Turn texts into tokens; a cut takes words off the end and never the [MASK]."""
        appended = (int(self.tokenizer.mask_token_id),) if self.asks_mask else ()
        return tokenise(self.tokenizer, texts, self.limit, appended=appended)

    def features(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Read image and question together; :class:`Backbone` says more."""
        inputs = self.normalisation.apply(images, self.image_size)
        hidden, pooled = run(self.module, inputs, tokens, mask)
        if pooled is not None:
            return pooled
        return hidden[torch.arange(len(tokens), device=hidden.device), self._mask_places(tokens)]

    def _mask_places(self, tokens: Tensor) -> Tensor:
        # The last one: a question may itself hold the word [MASK].
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return torch.where(tokens == self.tokenizer.mask_token_id, places, 0).amax(dim=1)


def open_folder(folder: ModelFolder, tokenizer: "PreTrainedTokenizerBase", sha256: str) -> Vilt:
    """Load a ViLT; ``readout`` in its configuration chooses what its features are.

    Raises
    ------
    ModelError
        If the configuration asks for an unknown readout, or weights are missing.
    """
    from transformers import ViltModel  # noqa: PLC0415

    readout = folder.configuration.get(READOUT_KEY, READOUT_POOLER)
    if readout not in (READOUT_MASK, READOUT_POOLER):
        raise ModelError(
            f"{folder.path / 'config.json'}: expected {READOUT_KEY} to be {READOUT_MASK} or "
            f"{READOUT_POOLER}, got {readout!r}; leave it out for the published model"
        )
    asks_mask = readout == READOUT_MASK
    if asks_mask and tokenizer.mask_token_id is None:
        raise ModelError(
            f"backbone {folder.path}: expected a tokenizer with a [MASK] token, at which features "
            f"are read, got one without; copy the model's own tokenizer"
        )
    module = pretrained.load_frozen(
        ViltModel, folder.path, options={"add_pooling_layer": not asks_mask}
    )
    return Vilt(
        module,
        sha256,
        tokenizer,
        folder.normalisation,
        feature_dim=pretrained.size(module.config, "hidden_size"),
        image_size=pretrained.size(module.config, "image_size"),
        limit=pretrained.text_limit(module.config, tokenizer),
        asks_mask=asks_mask,
    )


def run(
    model: "ViltModel", inputs: Tensor, tokens: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Read images and texts together, without a draw from any random generator.

    Parameters
    ----------
    model : ViltModel
        The network.
    inputs : Tensor
        (batch, 3, side, side) float32 images of the model's own side, normalised.
    tokens, mask : Tensor
        (batch, tokens) int64.

    Returns
    -------
    tuple[Tensor, Tensor | None]
        Hidden states (batch, tokens + 1 + patches, hidden) of words, the image's class token
        and patches row by row; and what the pooler, where there is one, makes of the first:
        (batch, hidden).
    """
    patches = _patch_embeddings(model.embeddings, inputs)
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        image_embeds=patches,
        pixel_mask=patches.new_ones(patches.shape[:2], dtype=torch.int64),
    )
    return output.last_hidden_state, output.pooler_output


def _patch_embeddings(embeddings: "ViltEmbeddings", inputs: Tensor) -> Tensor:
    patches = embeddings.patch_embeddings(inputs).flatten(2).transpose(1, 2)
    first = embeddings.cls_token.expand(len(patches), -1, -1)
    placed = torch.cat((first, patches), dim=1) + embeddings.position_embeddings
    dropped: Tensor = embeddings.dropout(placed)
    return dropped
