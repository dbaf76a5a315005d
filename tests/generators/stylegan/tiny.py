"""Tiny networks of every family, with random weights."""

from typing import Any, Literal

import torch

from generators.stylegan.mapping import MappingConfig
from generators.stylegan.network import StyleGAN, StyleGANConfig
from generators.stylegan.stylegan2 import StyleGAN2Config
from generators.stylegan.stylegan3 import StyleGAN3Synthesis
from generators.stylegan.stylegan3_design import StyleGAN3Design, random_stylegan3


def stylegan2(*, classes: int = 0) -> StyleGAN:
    """Return a StyleGAN2 of 8 x 8 pixels, conditional where there are classes."""
    mapping = MappingConfig(
        z_dim=6,
        c_dim=classes,
        w_dim=5,
        num_ws=4,
        widths=(7, 5),
        labels="linear" if classes else "none",
        label_dim=5 if classes else 0,
    )
    synthesis = StyleGAN2Config(w_dim=5, channels=(4, 3), clamp=256.0)
    return seeded(StyleGANConfig(mapping=mapping, synthesis=synthesis))


def seeded(config: StyleGANConfig) -> StyleGAN:
    """Return a network whose every weight and average is random and fixed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleGAN(config)
        for weight in network.parameters():
            torch.nn.init.normal_(weight, mean=0.1)
        network.mapping.w_avg.normal_()
        if network.mapping.table is not None:
            network.mapping.table.normal_()
    return network.requires_grad_(False).eval()


def stylegan3(family: Literal["t", "r"]) -> StyleGAN:
    """Return a StyleGAN3 of 16 x 16 pixels."""
    design = StyleGAN3Design(16, family == "r", 128, 8, w_dim=5, num_layers=4)
    return _with_mapping(random_stylegan3(design, seed=0))


def stylegan_xl() -> StyleGAN:
    """Return a StyleGAN-XL of three classes and 32 x 32 pixels, with its super-resolution."""
    design = StyleGAN3Design(16, False, 128, 8, w_dim=5, num_layers=4, head=(32, 3))
    return _with_mapping(
        random_stylegan3(design, seed=0),
        c_dim=3,
        labels="table",
        label_dim=6,
        table_dim=4,
        average_per_class=True,
    )


def _with_mapping(synthesis: StyleGAN3Synthesis, **classes: Any) -> StyleGAN:
    mapping = MappingConfig(
        z_dim=6, w_dim=5, num_ws=synthesis.num_ws, widths=(7, 5), **{"c_dim": 0, **classes}
    )
    network = seeded(StyleGANConfig(mapping=mapping, synthesis=synthesis.config))
    # Filters follow from the design; random ones would be no filters.
    filters = dict(synthesis.named_buffers())
    network.synthesis_network.load_state_dict({**network.synthesis_network.state_dict(), **filters})
    return network
