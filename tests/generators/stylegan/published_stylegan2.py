"""A mapping network and a StyleGAN2 as their published files hold them, for tests."""

import numpy as np
import torch
from torch import nn

from generators.stylegan.mapping import Mapping
from generators.stylegan.network import StyleGAN
from generators.stylegan.primitives import FullyConnected
from generators.stylegan.stylegan2 import Block, Layer, StyleGAN2Synthesis, ToColours
from tests.generators.stylegan.published import Published


def published_generator(network: StyleGAN, synthesis: Published) -> Published:
    """Return the root module around a published synthesis network."""
    shape = {"z_dim": network.z_dim, "c_dim": network.c_dim, "w_dim": network.w_dim}
    size = {"img_resolution": network.image_size, "num_ws": network.num_ws}
    modules = {"synthesis": synthesis, "mapping": published_mapping(network.mapping)}
    return Published("Generator", {**shape, **size}, modules=dict(modules))


def published_mapping(mapping: Mapping) -> Published:
    """Return a mapping network with its learning rates as numbers, as NumPy keeps them."""
    config = mapping.config
    factor = config.learning_rate_factor
    modules: dict[str, object] = {}
    if mapping.table is not None and mapping.embed is not None:
        modules["embed"] = nn.Embedding.from_pretrained(mapping.table.clone())
        modules["embed_proj"] = _connected(mapping.embed, 1)
    elif mapping.embed is not None:
        modules["embed"] = _connected(mapping.embed, 1)
    for place, layer in enumerate(mapping.layers):
        modules[f"fc{place}"] = _connected(layer, factor)
    numbers = config.model_dump(include={"z_dim", "c_dim", "w_dim", "num_ws"})
    attributes = {**numbers, "num_layers": len(mapping.layers), "w_avg_beta": 0.998}
    return Published("MappingNetwork", attributes, {}, {"w_avg": mapping.w_avg}, modules)


def published_stylegan2(synthesis: StyleGAN2Synthesis) -> Published:
    """Return a synthesis network with one module per size."""
    config = synthesis.config
    filters = torch.outer(synthesis.taps, synthesis.taps)
    sizes = [4 << place for place in range(len(config.channels))]
    blocks = [
        _block(block, size, filters) for block, size in zip(synthesis.blocks, sizes, strict=True)
    ]
    for block in blocks:
        block.attributes["architecture"] = config.architecture
    attributes = {
        "w_dim": config.w_dim,
        "img_resolution": config.image_size,
        "block_resolutions": sizes,
        "num_ws": config.num_ws,
    }
    modules = {f"b{size}": block for size, block in zip(sizes, blocks, strict=True)}
    return Published("SynthesisNetwork", attributes, modules=dict(modules))


def _block(block: Block, size: int, filters: torch.Tensor) -> Published:
    modules: dict[str, object] = {"conv1": _layer(block.conv1, filters)}
    if block.conv0 is not None:
        modules = {"conv0": _layer(block.conv0, filters), **modules}
    if block.torgb is not None:
        modules["torgb"] = _layer(block.torgb, filters)
    if block.skip is not None:
        modules["skip"] = Published("Conv2dLayer", {}, {"weight": block.skip})
    const = {} if block.const is None else {"const": block.const}
    return Published(
        "SynthesisBlock", {"resolution": size}, const, {"resample_filter": filters}, modules
    )


def _layer(layer: Layer | ToColours, filters: torch.Tensor) -> Published:
    parameters = {"weight": layer.conv.weight, "bias": layer.bias}
    buffers: dict[str, object] = {}
    if isinstance(layer, Layer):
        buffers["resample_filter"] = filters
        if layer.noise is not None and layer.noise_strength is not None:
            buffers["noise_const"] = layer.noise
            parameters["noise_strength"] = layer.noise_strength
    name = "SynthesisLayer" if isinstance(layer, Layer) else "ToRGBLayer"
    modules = {"affine": _connected(layer.conv.affine, 1)}
    return Published(name, {"conv_clamp": layer._clamp}, parameters, buffers, dict(modules))


def _connected(layer: FullyConnected, factor: float) -> Published:
    gain = np.float64(factor) / np.sqrt(layer.weight.shape[1])
    attributes = {"weight_gain": gain, "bias_gain": factor}
    return Published(
        "FullyConnectedLayer", attributes, {"weight": layer.weight, "bias": layer.bias}
    )
