"""Tiny models with random weights, saved as transformers saves real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from strategies.common import seeds

if TYPE_CHECKING:
    from transformers import (
        BertTokenizer,
        BlipForQuestionAnswering,
        CLIPModel,
        SiglipModel,
        ViltConfig,
    )

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("what", "colour", "is", "the", "digit", "red", "blue", "?")
PAD, CLS, SEP, MASK = 0, 2, 3, 4
SIDE = 16
FAMILIES = ("vilt", "clip", "siglip", "blip")
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def tokenizer(words: tuple[str, ...] = WORDS, limit: int = 10) -> BertTokenizer:
    from transformers import BertTokenizer

    return BertTokenizer(
        vocab={word: number for number, word in enumerate(SPECIAL + words)},
        model_max_length=limit,
    )


def vilt_config(**overrides: object) -> ViltConfig:
    from transformers import ViltConfig

    chosen = {"initializer_range": 0.3, "max_position_embeddings": 10, **overrides}
    return ViltConfig(
        vocab_size=len(SPECIAL + WORDS), image_size=SIDE, patch_size=4, **SIZES, **chosen
    )


def _clip() -> CLIPModel:
    from transformers import CLIPConfig, CLIPModel

    text = {"vocab_size": 13, "max_position_embeddings": 10, "eos_token_id": SEP, **SIZES}
    vision = {"image_size": SIDE, "patch_size": 4, **SIZES}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))


def _siglip() -> SiglipModel:
    from transformers import SiglipConfig, SiglipModel

    text = {"vocab_size": 13, "max_position_embeddings": 10, **SIZES}
    vision = {"image_size": SIDE, "patch_size": 4, **SIZES}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=vision))


def _blip() -> BlipForQuestionAnswering:
    from transformers import BlipConfig, BlipForQuestionAnswering

    marks = {"bos_token_id": CLS, "eos_token_id": SEP, "sep_token_id": SEP, "pad_token_id": PAD}
    text = {"vocab_size": 13, "max_position_embeddings": 10, "encoder_hidden_size": 16, **marks}
    vision = {"image_size": SIDE, "patch_size": 4, **SIZES}
    return BlipForQuestionAnswering(
        BlipConfig(text_config={**text, **SIZES}, vision_config=vision, projection_dim=8)
    )


def save(folder: Path, family: str, **overrides: object) -> Path:
    """Save a model of a family; ViLT with its pooler, or with ``readout="mask"``."""
    from transformers import ViltForMaskedLM, ViltImageProcessor, ViltModel
    from transformers.utils import logging

    builders = {
        "vilt": lambda: ViltModel(vilt_config(**overrides)),
        "masked": lambda: ViltForMaskedLM(vilt_config(readout="mask", **overrides)),
        "clip": _clip,
        "siglip": _siglip,
        "blip": _blip,
    }
    logging.disable_progress_bar()
    with seeds.seeded(7):
        model = builders[family]()
        for weights in model.parameters():  # position embeddings start at zero
            weights.data.add_(0.05 * torch.randn_like(weights))
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    ViltImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]).save_pretrained(
        folder
    )
    return folder


def configure(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def pictures(count: int, side: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
