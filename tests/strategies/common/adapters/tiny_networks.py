"""Tiny networks of transformers with random weights, built from configurations alone."""

import torch
from torch import Tensor, nn

from strategies.common import seeds

TEXT_WIDTH = 16
VISION_WIDTH = 24
BLOCKS = 2
VISION_BLOCKS = 3

_TEXT = {
    "vocab_size": 20,
    "hidden_size": TEXT_WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 14,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_IMAGE = {"image_size": 16, "patch_size": 8}
_VISION = {
    "hidden_size": VISION_WIDTH,
    "num_hidden_layers": VISION_BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    **_IMAGE,
}


def build(name: str) -> nn.Module:
    """Build a network in evaluation mode, always the same, its parameters frozen."""
    import transformers as hf

    kinds = {
        "vilt": lambda: hf.ViltModel(hf.ViltConfig(**_TEXT, **_IMAGE)),
        "clip": lambda: hf.CLIPModel(
            hf.CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=8)
        ),
        "siglip": lambda: hf.SiglipModel(
            hf.SiglipConfig(
                text_config={**_TEXT, "projection_size": VISION_WIDTH}, vision_config=_VISION
            )
        ),
        "blip": lambda: hf.BlipForQuestionAnswering(
            # Its decoder reads the text encoder through layers of the image encoder's width.
            hf.BlipConfig(
                text_config={**_TEXT, "encoder_hidden_size": TEXT_WIDTH},
                vision_config={**_VISION, "hidden_size": TEXT_WIDTH},
            )
        ),
        "bert": lambda: hf.BertModel(hf.BertConfig(**_TEXT)),
        "vit": lambda: hf.ViTModel(hf.ViTConfig(**_VISION)),
        "t5": lambda: hf.T5Model(
            hf.T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        ),
        "lxmert": lambda: hf.LxmertModel(
            hf.LxmertConfig(
                vocab_size=20,
                hidden_size=16,
                num_attention_heads=2,
                intermediate_size=32,
                l_layers=1,
                x_layers=1,
                r_layers=1,
            )
        ),
    }
    with seeds.seeded(0):
        network: nn.Module = kinds[name]()
    return network.requires_grad_(requires_grad=False).eval()


def tokens() -> Tensor:
    return torch.tensor([[2, 5, 6, 3], [2, 9, 3, 0]])


def images() -> Tensor:
    return torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)


def hidden(name: str, network: nn.Module) -> Tensor:
    """Run a network; all that it draws from the global generator is drawn from one seed."""
    mask = (tokens() != 0).long()
    if name == "bert":
        return network(tokens(), mask).last_hidden_state
    if name == "vit":
        return network(images()).last_hidden_state
    if name == "vilt":
        with seeds.seeded(1):
            return network(
                input_ids=tokens(), attention_mask=mask, pixel_values=images()
            ).last_hidden_state
    if name == "blip":
        output = network(
            input_ids=tokens(), attention_mask=mask, pixel_values=images(), labels=tokens()
        )
        return torch.cat([output.loss.reshape(1), output.image_embeds.flatten()])
    output = network(input_ids=tokens(), attention_mask=mask, pixel_values=images())
    return torch.cat([output.text_embeds, output.image_embeds], 1)
