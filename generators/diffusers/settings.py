"""Settings of diffusion models: the table ``diffusers``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class DiffusersSettings(Settings):
    """How noise becomes an image; together with the weights these fix every image.

    Attributes
    ----------
    prompt : str
        Text that conditions every image, encoded once. No class has a text of its own: the
        server does not know what labels mean.
    sampler : str
        ``"auto"``: DPM-Solver++ where the folder's own is one that plain Stable Diffusion comes
        with (DDIM, PNDM, Euler, without trailing spacing), and any other as it is.
        ``"own"``: as the pipeline was published. ``"ddim"``, ``"dpm"``,
        ``"euler"``: few steps that start at the noisiest one. ``"lcm"``: for weights that
        were distilled for it.
    steps : int
        Sampling steps; 0 takes what suits the pipeline: 4 for latent consistency models, 10
        with DPM-Solver++, and what diffusers takes, 50, with a scheduler that is not known
        here. Euler with trailing spacing comes with models that need opposite numbers: there
        it must be said, unless a hub id says that they are SD-Turbo's.
    guidance : float
        Scale of the prompt's guidance. 1 is without, which halves the time where guidance
        needs a second pass; 0 takes what suits the pipeline: 8 for latent consistency models
        (none where they came as a LoRA), 5 for SDXL and 7.5 for all others; with Euler and
        trailing spacing it must be said, as the steps.
    image_size : int
        Side of the pictures in pixels; 0 takes what the folder's UNet says that it is for.
    vae : str
        Folder or hub id of a decoder to use in place of the pipeline's own, such as TAESD
        (``AutoencoderTiny``), which is many times faster; empty for the pipeline's own.
    dtype : str
        Numbers to compute in; ``"auto"`` is float16 on a GPU and float32 on the CPU.
    batch_size : int
        Images drawn at once. 0 is 1 on the CPU, where an image is then the same to the last
        bit whatever is drawn beside it, and what fits into free memory on a GPU.
    seed : int
        Of the noise that samplers of latent consistency models add between steps. It is not
        the run's seed, so that all seeds of a comparison meet the same generator.
    """

    prompt: str
    sampler: Literal["auto", "own", "ddim", "dpm", "euler", "lcm"]
    steps: int = Field(ge=0, le=1000)
    guidance: float = Field(ge=0, le=100)
    image_size: int = Field(ge=0, le=4096)
    vae: str
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    batch_size: int = Field(ge=0, le=1024)
    seed: int = Field(ge=0)
