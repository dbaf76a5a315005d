"""Diffusion pipelines of any size with random weights, built without a network.

They have every part of a published pipeline, tokenizer and text encoders included, and are
saved as safetensors, so that the adapter reads them as it reads published ones. Used by
the benchmarks and by the tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import diffusers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from generators.diffusers.silence import silenced
from strategies.common import seeds

# Its classes are not typed.
_library: Any = diffusers

_MAX_TOKENS = 16
# Channels of the latent, as in every Stable Diffusion.
_LATENT_CHANNELS = 4
_NOISE_SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


@final
@dataclass(frozen=True)
class Geometry:
    """Sizes of a pipeline; the defaults are the smallest that still have every part.

    Attributes
    ----------
    sample_size : int
        Height and width of the latent.
    unet_channels, vae_channels : Sequence[int]
        Per resolution; the image is 2 ** (len(vae_channels) - 1) times the latent's size.
    layers_per_block : int
        Residual blocks per resolution.
    norm_groups : int
        Groups of the group normalisation; divides all channels.
    head_channels : int
        Setting ``attention_head_dim`` of the UNet.
    attention : Sequence[bool]
        Whether a resolution of the UNet looks at the prompt.
    text_width : int
        Width of a token's embedding; a multiple of 4.
    """

    sample_size: int = 8
    unet_channels: Sequence[int] = (4, 8)
    vae_channels: Sequence[int] = (4, 8)
    layers_per_block: int = 1
    norm_groups: int = 2
    head_channels: int = 2
    attention: Sequence[bool] = (False, True)
    text_width: int = 32


def save(
    kind: Literal["sd", "xl", "lcm"], folder: Path, geometry: Geometry | None = None, seed: int = 0
) -> Path:
    """Build a pipeline, save it as safetensors and return its folder.

    Parameters
    ----------
    kind : str
        ``"sd"``: Stable Diffusion with a DDIM schedule; ``"xl"``: SDXL with Euler's, whose
        initial noise has a deviation of 14.6; ``"lcm"``: a latent consistency model.
    folder : Path
        Made if missing.
    geometry : Geometry | None
        Sizes; ``None`` for the smallest.
    seed : int
        Of the weights.
    """
    sizes = geometry or Geometry()
    with seeds.seeded(seed):
        pipeline = _KINDS[kind](sizes)
    with silenced():
        pipeline.save_pretrained(folder)
    return folder


def save_tiny_vae(
    folder: Path, resolutions: int = 2, latent_channels: int = _LATENT_CHANNELS, seed: int = 0
) -> Path:
    """Build and save a TAESD decoder that scales up by 2 ** (resolutions - 1)."""
    with seeds.seeded(seed):
        vae = _library.AutoencoderTiny(
            encoder_block_out_channels=(8,) * resolutions,
            decoder_block_out_channels=(8,) * resolutions,
            num_encoder_blocks=(1,) * resolutions,
            num_decoder_blocks=(1,) * resolutions,
            latent_channels=latent_channels,
        )
    vae.save_pretrained(folder)
    return folder


def _sd(sizes: Geometry) -> Any:
    return _library.StableDiffusionPipeline(
        **_common(sizes, {}),
        scheduler=_library.DDIMScheduler(
            **_NOISE_SCHEDULE, clip_sample=False, set_alpha_to_one=False
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _lcm(sizes: Geometry) -> Any:
    return _library.LatentConsistencyModelPipeline(
        **_common(sizes, {"time_cond_proj_dim": 32}),
        scheduler=_library.LCMScheduler(**_NOISE_SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl(sizes: Geometry) -> Any:
    time_width = 8
    conditioning = {
        "cross_attention_dim": 2 * sizes.text_width,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": time_width,
        # Six sizes of the image, and the second encoder's pooled output.
        "projection_class_embeddings_input_dim": 6 * time_width + sizes.text_width,
        "use_linear_projection": True,
    }
    return _library.StableDiffusionXLPipeline(
        **_common(sizes, conditioning),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(sizes.text_width)),
        tokenizer_2=_tokenizer(),
        scheduler=_library.EulerDiscreteScheduler(**_NOISE_SCHEDULE),
        add_watermarker=False,
    )


def _common(sizes: Geometry, conditioning: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every kind has; ``conditioning`` goes to the UNet."""
    down = ["CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in sizes.attention]
    up = ["CrossAttnUpBlock2D" if looks else "UpBlock2D" for looks in sizes.attention]
    unet = _library.UNet2DConditionModel(
        sample_size=sizes.sample_size,
        in_channels=_LATENT_CHANNELS,
        out_channels=_LATENT_CHANNELS,
        block_out_channels=tuple(sizes.unet_channels),
        layers_per_block=sizes.layers_per_block,
        down_block_types=tuple(down),
        up_block_types=tuple(reversed(up)),
        attention_head_dim=sizes.head_channels,
        norm_num_groups=sizes.norm_groups,
        **{"cross_attention_dim": sizes.text_width, **conditioning},
    )
    resolutions = len(sizes.vae_channels)
    vae = _library.AutoencoderKL(
        block_out_channels=tuple(sizes.vae_channels),
        down_block_types=("DownEncoderBlock2D",) * resolutions,
        up_block_types=("UpDecoderBlock2D",) * resolutions,
        layers_per_block=sizes.layers_per_block,
        latent_channels=_LATENT_CHANNELS,
        norm_num_groups=sizes.norm_groups,
        sample_size=sizes.sample_size * 2 ** (resolutions - 1),
    )
    text_encoder = CLIPTextModel(_text_config(sizes.text_width))
    return {"unet": unet, "vae": vae, "text_encoder": text_encoder, "tokenizer": _tokenizer()}


def _text_config(width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=width,
        projection_dim=width,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=_MAX_TOKENS,
        bos_token_id=_vocabulary()["<|startoftext|>"],
        eos_token_id=_vocabulary()["<|endoftext|>"],
        pad_token_id=_vocabulary()["<|endoftext|>"],
    )


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=_vocabulary(), merges=[], model_max_length=_MAX_TOKENS)


def _vocabulary() -> dict[str, int]:
    """Every byte, inside a word and at its end: without merges that spells any text."""
    symbols = sorted(ByteLevel.alphabet())
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    return {word: place for place, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}


_KINDS = {"sd": _sd, "xl": _xl, "lcm": _lcm}
