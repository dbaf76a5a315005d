"""The mapping network: from noise z, and a class where there is one, to latents w."""

from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from generators.stylegan.config import NetworkConfig, Width
from generators.stylegan.primitives import FullyConnected, normalise
from strategies.common.errors import GeneratorError


@final
class MappingConfig(NetworkConfig):
    """Geometry of a mapping network.

    Attributes
    ----------
    z_dim : int
        Width of the noise.
    c_dim : int
        Number of classes; 0 for a network without.
    w_dim : int
        Width of a latent.
    num_ws : int
        Copies of a latent that the synthesis network takes.
    widths : tuple[int, ...]
        Outputs of the fully connected layers; the last is ``w_dim``.
    learning_rate_factor : float
        How much slower these layers learn.
    labels : {"none", "linear", "table"}
        How a class enters: not at all, by a linear layer on its one-hot vector
        (StyleGAN2 and 3), or by a fixed table and a layer (StyleGAN-XL).
    label_dim : int
        Width of a class's embedding beside z; 0 without labels.
    table_dim : int
        Width of a row of the fixed table; 0 where there is none.
    average_per_class : bool
        Whether truncation goes towards the mean latent of the class or of all.
    """

    z_dim: Width
    c_dim: int = Field(ge=0, le=1_000_000)
    w_dim: Width
    num_ws: int = Field(ge=1, le=256)
    widths: tuple[Width, ...] = Field(min_length=1, max_length=64)
    learning_rate_factor: float = Field(default=0.01, gt=0, le=10)
    labels: Literal["none", "linear", "table"] = "none"
    label_dim: int = Field(default=0, ge=0, le=8192)
    table_dim: int = Field(default=0, ge=0, le=8192)
    average_per_class: bool = False

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.widths[-1] != self.w_dim:
            raise ValueError(f"expected the last layer as wide as w ({self.w_dim})")
        if (self.labels != "none") != (self.label_dim > 0):
            raise ValueError("expected label_dim above 0 exactly where there are labels")
        if self.labels != "none" and self.c_dim == 0:
            raise ValueError("expected c_dim above 0 where there are labels")
        if (self.labels == "table") != (self.table_dim > 0):
            raise ValueError("expected table_dim above 0 exactly where there is a table")
        return self


@final
class Mapping(nn.Module):
    """Normalised noise and class through fully connected layers.

    Parameters
    ----------
    config : MappingConfig
        Geometry.
    """

    w_avg: Tensor
    table: Tensor | None

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        self.config = config
        table = torch.zeros(config.c_dim, config.table_dim) if config.table_dim else None
        self.register_buffer("table", table)
        sources = {"none": None, "linear": config.c_dim, "table": config.table_dim}
        source = sources[config.labels]
        self.embed = (
            None
            if source is None
            else FullyConnected(
                source, config.label_dim, "leaky" if config.labels == "table" else "linear"
            )
        )
        inputs = [config.z_dim + config.label_dim, *config.widths[:-1]]
        self.layers = nn.ModuleList(
            FullyConnected(into, out, "leaky", config.learning_rate_factor)
            for into, out in zip(inputs, config.widths, strict=True)
        )
        shape = (config.c_dim, config.w_dim) if config.average_per_class else (config.w_dim,)
        self.register_buffer("w_avg", torch.zeros(shape))

    def forward(self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """Map noise to latents.

        Parameters
        ----------
        z : Tensor
            (batch, z_dim) standard normal.
        c : Tensor | None
            (batch, c_dim) one-hot; needed exactly where the network has classes.
        truncation_psi : float
            How far latents stay from their mean: 1 leaves them, 0 gives the mean.

        Returns
        -------
        Tensor
            (batch, num_ws, w_dim) equal copies along the second axis.

        Raises
        ------
        GeneratorError
            If noise or classes have another shape.
        """
        self._check(z, c)
        features = normalise(z.float())
        if self.embed is not None and c is not None:
            features = torch.cat([features, normalise(self.embed(self._source(c)))], 1)
        for layer in self.layers:
            features = layer(features)
        if truncation_psi != 1:
            features = self._mean(c).lerp(features, truncation_psi)
        return features.unsqueeze(1).repeat(1, self.config.num_ws, 1)

    def _source(self, c: Tensor) -> Tensor:
        return c.float() if self.table is None else functional.embedding(c.argmax(1), self.table)

    def _mean(self, c: Tensor | None) -> Tensor:
        if not self.config.average_per_class:
            return self.w_avg
        return self.w_avg.mean(0) if c is None else self.w_avg[c.argmax(1)]

    def _check(self, z: Tensor, c: Tensor | None) -> None:
        if z.ndim != 2 or z.shape[1] != self.config.z_dim:
            raise GeneratorError(
                f"stylegan mapping: expected z (batch, {self.config.z_dim}), got {tuple(z.shape)}"
            )
        wanted = (len(z), self.config.c_dim)
        if self.embed is not None and (c is None or tuple(c.shape) != wanted):
            got = None if c is None else tuple(c.shape)
            raise GeneratorError(
                f"stylegan mapping: expected one-hot classes c {wanted}, got {got}; the network "
                f"was trained with {self.config.c_dim} classes"
            )
