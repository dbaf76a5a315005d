"""A StyleGAN file as the server hosts it."""

from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from generators.batches import Batches
from generators.exactness import exact_convolutions
from generators.latents import check_latents
from generators.stylegan.load import load
from generators.stylegan.settings import StyleGANSettings

_NAME = "stylegan"
_ADVICE = "use a network of smaller images, or draw on another device (server-device)"


@final
class StyleGANGenerator:
    """An ``ImageGenerator`` over the space W of a StyleGAN.

    All layers of a picture get the same w, as in FedKTL; classes, where the network has
    them, are drawn uniformly when latents are sampled and play no part in drawing.

    Parameters
    ----------
    path : Path
        A published pickle or its safetensors conversion.
    settings : StyleGANSettings
        Truncation, batch size and checksum.
    device : torch.device
        Where images are drawn.

    Raises
    ------
    GeneratorError
        If the file cannot be loaded.
    """

    def __init__(self, path: Path, settings: StyleGANSettings, device: torch.device) -> None:
        self._settings = settings
        self._device = device
        self._network = load(path, settings.sha256).to(device)
        self._batches = Batches(_NAME, self._draw, _ADVICE)
        self._batches.choose(settings.batch_size, self.latent_dim, device)

    @property
    def latent_dim(self) -> int:
        """Width of w."""
        return self._network.w_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of the images."""
        return (3, self._network.image_size, self._network.image_size)

    @property
    def gaussian_latents(self) -> bool:
        """False: w comes from a mapping network."""
        return False

    @property
    def family(self) -> str:
        """``"stylegan-xl"`` for networks with a table of class embeddings, else ``"stylegan"``."""
        return "stylegan" if self._network.mapping.table is None else "stylegan-xl"

    @property
    def decisions(self) -> Mapping[str, str]:
        """None: all that it draws with is set, or stands in its file."""
        return {}

    @torch.no_grad()
    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw latents w of random noise and, where there are classes, random classes.

        Parameters
        ----------
        count : int
            Number of latents.
        generator : torch.Generator
            CPU generator.

        Returns
        -------
        Tensor
            (count, w_dim) float32 on the device where images are drawn.
        """
        network = self._network
        noise = torch.randn(count, network.z_dim, generator=generator).to(self._device)
        classes = None
        if network.c_dim:
            drawn = torch.randint(network.c_dim, (count,), generator=generator)
            classes = functional.one_hot(drawn, network.c_dim).to(self._device)
        latents: Tensor = network.mapping(noise, classes, self._settings.truncation_psi)
        return latents[:, 0]

    def synthesize(self, latents: Tensor) -> Tensor:
        """Draw one image per latent.

        Parameters
        ----------
        latents : Tensor
            (count, w_dim) finite.

        Returns
        -------
        Tensor
            (count, 3, height, width) uint8 on the CPU.

        Raises
        ------
        GeneratorError
            If the latents have another shape or are not finite, or one image does not fit
            into memory.
        """
        check_latents(_NAME, latents, self.latent_dim)
        if not len(latents):
            return torch.empty(0, *self.image_shape, dtype=torch.uint8)
        return self._batches.draw(latents)

    @torch.no_grad()
    def _draw(self, latents: Tensor) -> Tensor:
        ws = latents.to(self._device, torch.float32).unsqueeze(1)
        with exact_convolutions():
            pictures = self._network.synthesis(ws.expand(-1, self._network.num_ws, -1))
        # The reference's rounding: -1 is 0, 0 is 128 and 1 is 255.
        return pictures.mul(127.5).add(128).clamp(0, 255).to("cpu", torch.uint8)
