"""Turns a StyleGAN3 synthesis network into the tree that a published file holds."""

from typing import Literal

import numpy as np
from torch import Tensor

from generators.stylegan.stylegan3 import StyleGAN3Config
from generators.stylegan.stylegan3_layers import LayerConfig
from tests.generators.stylegan.published import Published


def published_stylegan3(
    config: StyleGAN3Config,
    tensors: dict[str, Tensor],
    family: Literal["t", "r", "xl"],
) -> Published:
    """Return the synthesis network as its authors' classes store it.

    Parameters
    ----------
    config : StyleGAN3Config
        Geometry.
    tensors : dict[str, Tensor]
        By the names of ``StyleGAN3Synthesis.state_dict``.
    family : {"t", "r", "xl"}
        StyleGAN-XL's layer names leave out numbers, and its layers have more attributes.
    """
    layers = {}
    for place, layer in enumerate(config.layers):
        number = place + 1 if family == "xl" and place >= len(config.layers) // 2 else place
        held = _below(tensors, f"layers.{place}.")
        name = f"L{number}_{layer.out_size}_{layer.out_channels}"
        layers[name] = _layer(layer, held, config.w_dim, family)
    attributes: dict[str, object] = {
        "w_dim": config.w_dim,
        "num_ws": config.num_ws,
        "img_resolution": config.image_size,
        "img_channels": config.image_channels,
        "num_layers": len(layers) if family == "xl" else len(layers) - 1,
        "output_scale": config.output_scale,
        "layer_names": list(layers),
    }
    if family == "xl":
        attributes["sampling_rates"] = np.full(len(layers), 16.0)
    first = _first(config, _below(tensors, "input."))
    return Published("SynthesisNetwork", attributes, modules={"input": first, **layers})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


def _first(config: StyleGAN3Config, held: dict[str, Tensor]) -> Published:
    waves = config.input
    attributes: dict[str, object] = {
        "w_dim": config.w_dim,
        "channels": waves.channels,
        "size": np.array([waves.size, waves.size]),
        "sampling_rate": np.float64(waves.sampling_rate),
        "bandwidth": np.float64(waves.bandwidth),
    }
    return Published(
        "SynthesisInput",
        attributes,
        parameters={"weight": held["weight"]},
        buffers={name: held[name] for name in ("transform", "freqs", "phases")},
        modules={"affine": _affine(held)},
    )


def _layer(layer: LayerConfig, held: dict[str, Tensor], w_dim: int, family: str) -> Published:
    grids = layer.resampling
    attributes: dict[str, object] = {
        "w_dim": w_dim,
        "is_torgb": grids is None,
        "use_fp16": np.True_,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "in_size": np.array([layer.in_size, layer.in_size]),
        "out_size": np.array([layer.out_size, layer.out_size]),
        "conv_kernel": layer.kernel,
        "conv_clamp": None if layer.clamp is None else int(layer.clamp),
        "up_factor": grids.up if grids else 1,
        "down_factor": grids.down if grids else 1,
        "down_radial": grids is not None and grids.radial,
        "padding": [*grids.padding, *grids.padding] if grids else [0, 0, 0, 0],
    }
    if family == "xl":
        attributes |= {"filter_size": 6, "use_radial_filters": False, "lrelu_upsampling": 2}
    return Published(
        "SynthesisLayer",
        attributes,
        parameters={"weight": held["weight"], "bias": held["bias"]},
        buffers={
            "magnitude_ema": held["magnitude_ema"],
            "up_filter": held.get("up_taps"),
            "down_filter": held.get("down_taps"),
        },
        modules={"affine": _affine(held)},
    )


def _affine(held: dict[str, Tensor]) -> Published:
    weight = held["affine.weight"]
    attributes: dict[str, object] = {
        "in_features": weight.shape[1],
        "out_features": weight.shape[0],
        "activation": "linear",
        "weight_gain": weight.shape[1] ** -0.5,
        "bias_gain": 1,
    }
    parameters = {"weight": weight, "bias": held["affine.bias"]}
    return Published("FullyConnectedLayer", attributes, parameters=parameters)
