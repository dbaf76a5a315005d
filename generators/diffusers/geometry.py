"""What the networks of a pipeline say of their sizes: checked, and told with where it stands."""

import math
from pathlib import Path
from typing import Any

from strategies.common.errors import GeneratorError, SettingsError

# SDXL's decoder has a factor of its own, and diffusers takes Stable Diffusion's for a missing one.
_SDXL = "StableDiffusionXLPipeline"


def latent_shape(path: Path, pipe: Any, image_size: int) -> tuple[tuple[int, int, int], str]:
    """Return (channels, height, width) of the noise, and why it has that size.

    Parameters
    ----------
    path : Path
        The folder, for messages.
    pipe : DiffusionPipeline
        With its UNet and its decoder.
    image_size : int
        Side of the pictures in pixels; 0 takes what the UNet was trained for.

    Raises
    ------
    GeneratorError
        If UNet and decoder have other channels, or the UNet does not say for what size it is.
    SettingsError
        If pictures cannot have the side that is set.
    """
    config, decoded = pipe.unet.config, pipe.vae.config.latent_channels
    if not config.in_channels == config.out_channels == decoded:
        raise GeneratorError(
            f"generator diffusers: {path}: expected a UNet from noise of {decoded} channels, as "
            f"the decoder has, to as many; got {config.in_channels} to {config.out_channels}; "
            f"pipelines that change a given image and decoders of other pipelines do not fit"
        )
    if image_size:
        # The pipelines themselves take whole multiples of 8 pixels alone.
        step = math.lcm(pipe.vae_scale_factor, 8)
        if image_size % step:
            raise SettingsError(
                f"setting diffusers.image-size: expected 0 or a multiple of {step}, which the "
                f"decoder of {path} draws, got {image_size}"
            )
        side = image_size // pipe.vae_scale_factor
        return (config.in_channels, side, side), "setting diffusers.image-size"
    height, width = _sample_size(path, config.sample_size)
    return (config.in_channels, height, width), "sample_size of unet/config.json"


def _sample_size(path: Path, found: Any) -> tuple[int, int]:
    match found:
        case bool():
            pass
        case int() if found > 0:
            return found, found
        case [int() as height, int() as width] if height > 0 and width > 0:
            return height, width
    raise GeneratorError(
        f"generator diffusers: {path}/unet/config.json: expected sample_size to be the side of "
        f"the latent, or its height and width, e.g. 64, got {found!r}; set diffusers.image-size "
        f"to the side in pixels for which the model was trained, e.g. 512, or write sample_size"
    )


def scaling_factor(path: Path, pipe: Any, told: bool) -> str:
    """Return by what the decoder divides latents, with where it stands.

    Parameters
    ----------
    path : Path
        Folder of the decoder.
    pipe : DiffusionPipeline
        With its decoder.
    told : bool
        Whether the decoder's own file says so.

    Raises
    ------
    GeneratorError
        If it is no number above 0, or of an SDXL decoder that does not say.
    """
    found = pipe.vae.config.scaling_factor
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    if not is_number or not 0 < found < math.inf:
        raise GeneratorError(
            f"generator diffusers: {path}/config.json: expected scaling_factor to be a number "
            f"above 0, got {found!r}; download the decoder again"
        )
    kind = type(pipe.vae).__name__
    if told:
        return f"{found} (its config.json)"
    if kind == "AutoencoderKL" and type(pipe).__name__ == _SDXL:
        raise GeneratorError(
            f"generator diffusers: {path}/config.json: expected scaling_factor, got none, and "
            f"diffusers would take {found}, which is Stable Diffusion's; write SDXL's, 0.13025, or "
            f"that of the model"
        )
    return f"{found} (default of {kind}: its config.json does not say)"


def check_text_width(path: Path, unet: Any, width: int) -> None:
    """Refuse a text encoder of another width than the UNet reads.

    Raises
    ------
    GeneratorError
        With both widths.
    """
    expected = unet.config.cross_attention_dim
    widths = {expected} if isinstance(expected, int) else set(expected or ())
    # With a projection of its own a UNet takes other widths too.
    if unet.config.encoder_hid_dim is None and widths and widths != {width}:
        raise GeneratorError(
            f"generator diffusers: {path}: expected text of width {expected!r}, which "
            f"cross_attention_dim of unet/config.json says, got {width} from the text encoder; "
            f"they belong to different pipelines: download the whole folder again"
        )
