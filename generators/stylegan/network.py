"""A whole generator: mapping and synthesis, built from a description and its tensors."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from generators.stylegan.config import NetworkConfig
from generators.stylegan.mapping import Mapping, MappingConfig
from generators.stylegan.stylegan2 import StyleGAN2Config, StyleGAN2Synthesis
from generators.stylegan.stylegan3 import StyleGAN3Config, StyleGAN3Synthesis
from strategies.common.errors import GeneratorError


@final
class StyleGANConfig(NetworkConfig):
    """Geometry of a generator; with its tensors it is the whole network.

    Attributes
    ----------
    mapping : MappingConfig
        From z to w.
    synthesis : StyleGAN2Config | StyleGAN3Config
        From w to pictures; StyleGAN-XL draws with StyleGAN3's layers.
    """

    mapping: MappingConfig
    synthesis: StyleGAN2Config | StyleGAN3Config


@final
@dataclass(frozen=True)
class Description:
    """What a file holds.

    Attributes
    ----------
    config : StyleGANConfig
        Geometry.
    tensors : dict[str, Tensor]
        Weights by the names of ``StyleGAN.state_dict``, float32.
    """

    config: StyleGANConfig
    tensors: dict[str, Tensor]


@final
class StyleGAN(nn.Module):
    """A StyleGAN generator with random weights; ``build`` gives it those of a file.

    Parameters
    ----------
    config : StyleGANConfig
        Geometry.

    Examples
    --------
    >>> config = StyleGANConfig(
    ...     mapping=MappingConfig(z_dim=16, c_dim=0, w_dim=16, num_ws=4, widths=(16,)),
    ...     synthesis=StyleGAN2Config(w_dim=16, channels=(8, 8)),
    ... )
    >>> network = StyleGAN(config)
    >>> ws = network.mapping(torch.zeros(2, 16))
    >>> network.synthesis(ws).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, config: StyleGANConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config.mapping)
        self.synthesis_network: StyleGAN2Synthesis | StyleGAN3Synthesis
        if isinstance(config.synthesis, StyleGAN2Config):
            self.synthesis_network = StyleGAN2Synthesis(config.synthesis)
        else:
            self.synthesis_network = StyleGAN3Synthesis(config.synthesis)
        wanted = (self.synthesis_network.num_ws, config.synthesis.w_dim)
        if wanted != (config.mapping.num_ws, config.mapping.w_dim):
            raise GeneratorError(
                f"stylegan: the synthesis network takes {wanted[0]} latents of width {wanted[1]}, "
                f"the mapping network gives {config.mapping.num_ws} of {config.mapping.w_dim}"
            )

    @property
    def z_dim(self) -> int:
        """Width of the noise."""
        return self.config.mapping.z_dim

    @property
    def c_dim(self) -> int:
        """Number of classes; 0 for a network without."""
        return self.config.mapping.c_dim

    @property
    def w_dim(self) -> int:
        """Width of a latent."""
        return self.config.mapping.w_dim

    @property
    def num_ws(self) -> int:
        """Copies of a latent that the synthesis network takes."""
        return self.config.mapping.num_ws

    @property
    def image_size(self) -> int:
        """Height and width of a picture."""
        return self.synthesis_network.image_size

    def synthesis(self, ws: Tensor) -> Tensor:
        """Draw pictures, always the same for the same latents.

        Parameters
        ----------
        ws : Tensor
            (batch, num_ws, w_dim).

        Returns
        -------
        Tensor
            (batch, 3, side, side) float32, about [-1, 1].

        Raises
        ------
        GeneratorError
            If the latents have another shape.
        """
        wanted = (self.num_ws, self.w_dim)
        if ws.ndim != 3 or tuple(ws.shape[1:]) != wanted:
            raise GeneratorError(
                f"stylegan synthesis: expected ws (batch, {wanted[0]}, {wanted[1]}), "
                f"got {tuple(ws.shape)}"
            )
        pictures: Tensor = self.synthesis_network(ws.float())
        return pictures.expand(-1, 3, -1, -1)

    def forward(self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """Draw pictures from noise (batch, z_dim) and classes (batch, c_dim)."""
        return self.synthesis(self.mapping(z, c, truncation_psi))


def build(description: Description) -> StyleGAN:
    """Build a network with the weights of a file, ready for inference.

    Raises
    ------
    GeneratorError
        If a tensor is missing, left over, of another shape or not finite.
    """
    # Weights come from the description: drawing random ones first would take seconds.
    with torch.device("meta"):
        network = StyleGAN(description.config)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in description.tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise GeneratorError(
                f"stylegan: tensor {name}: expected shape {wanted.get(name)}, "
                f"got {found.get(name)}; the file is damaged or of an unknown layout"
            )
    for name, tensor in description.tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise GeneratorError(f"stylegan: tensor {name}: expected finite numbers, got NaN")
    network.load_state_dict(description.tensors, strict=True, assign=True)
    return network.requires_grad_(False).eval()
