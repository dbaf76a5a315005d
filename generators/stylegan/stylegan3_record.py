"""StyleGAN3's and StyleGAN-XL's synthesis network, read off the record of a published file."""

import numpy as np
from torch import Tensor

from generators.stylegan.records import Record
from generators.stylegan.stylegan3 import StyleGAN3Config
from strategies.common.errors import GeneratorError


def describe_stylegan3(synthesis: Record) -> tuple[StyleGAN3Config, dict[str, Tensor]]:
    """Return the geometry and the tensors of a synthesis network.

    Everything is read off stored state; ``num_ws`` too, since StyleGAN-XL's count and layer
    names keep traces of the layers that its super-resolution removed.

    Parameters
    ----------
    synthesis : Record
        With ``layer_names``, and a module ``input`` and one per name.

    Raises
    ------
    GeneratorError
        If a layer is missing, or a tensor is missing or of a shape that its layer denies.
    pydantic.ValidationError
        If the geometry is out of bounds.
    """
    layers = [synthesis.child(name) for name in _layer_names(synthesis)]
    filters = [_filters(layer) for layer in layers]
    first, w_dim = synthesis.child("input"), synthesis.integer("w_dim")
    config = StyleGAN3Config.model_validate(
        {
            "w_dim": w_dim,
            "num_ws": synthesis.integer("num_ws"),
            "input": {
                "channels": first.integer("channels"),
                "size": _side(first, "size"),
                "sampling_rate": first.number("sampling_rate"),
                "bandwidth": first.number("bandwidth"),
            },
            "layers": tuple(map(_geometry, layers, filters)),
            "image_channels": layers[-1].integer("out_channels"),
            "output_scale": synthesis.number("output_scale"),
        }
    )
    tensors = _input_tensors(first, config.input.channels, w_dim)
    for place, (layer, taps) in enumerate(zip(layers, filters, strict=True)):
        drawn = {**_layer_tensors(layer, w_dim), **taps}
        tensors.update({f"layers.{place}.{name}": tensor for name, tensor in drawn.items()})
    return config, tensors


def _layer_names(synthesis: Record) -> list[str]:
    names = synthesis.attribute("layer_names")
    if not isinstance(names, list | tuple) or not names:
        raise _error(synthesis, "a list of layers in layer_names", type(names).__name__)
    for name in names:
        if not isinstance(name, str):
            raise _error(synthesis, "texts in layer_names", type(name).__name__)
    return list(names)


def _geometry(layer: Record, taps: dict[str, Tensor]) -> dict[str, object]:
    """Return what ``LayerConfig`` takes."""
    geometry: dict[str, object] = {
        "in_channels": layer.integer("in_channels"),
        "out_channels": layer.integer("out_channels"),
        "in_size": _side(layer, "in_size"),
        "out_size": _side(layer, "out_size"),
        "kernel": layer.integer("conv_kernel"),
        "clamp": None if layer.attribute("conv_clamp") is None else layer.number("conv_clamp"),
    }
    up, down, padding = layer.integer("up_factor"), layer.integer("down_factor"), _padding(layer)
    if taps:
        geometry["resampling"] = {
            "up": up,
            "down": down,
            "padding": padding,
            "up_taps": len(taps["up_taps"]),
            "down_taps": len(taps["down_taps"]),
            "radial": taps["down_taps"].ndim == 2,
        }
    elif (up, down, padding) != (1, 1, (0, 0)):
        raise _error(layer, "filters where up_factor, down_factor or padding act", "none")
    return geometry


def _filters(layer: Record) -> dict[str, Tensor]:
    """Return the filters; none for a layer that gives colours."""
    if layer.attribute("is_torgb"):
        if layer.has_tensor("up_filter") or layer.has_tensor("down_filter"):
            raise _error(layer, "no filters in a layer that gives colours", "filters")
        return {}
    up, down = layer.tensor("up_filter"), layer.tensor("down_filter")
    if up.ndim != 1 or down.ndim not in {1, 2} or len(set(down.shape)) != 1:
        raise _error(
            layer,
            "up_filter (taps,) and down_filter (taps,) or square",
            f"{tuple(up.shape)} and {tuple(down.shape)}",
        )
    return {"up_taps": up, "down_taps": down}


def _input_tensors(first: Record, channels: int, w_dim: int) -> dict[str, Tensor]:
    shapes = {
        "weight": (channels, channels),
        "freqs": (channels, 2),
        "phases": (channels,),
        "transform": (3, 3),
    }
    tensors = {**_checked(first, shapes), **_affine(first, 4, w_dim)}
    return {f"input.{name}": tensor for name, tensor in tensors.items()}


def _layer_tensors(layer: Record, w_dim: int) -> dict[str, Tensor]:
    inputs, outputs = layer.integer("in_channels"), layer.integer("out_channels")
    kernel = layer.integer("conv_kernel")
    shapes = {
        "weight": (outputs, inputs, kernel, kernel),
        "bias": (outputs,),
        "magnitude_ema": (),
    }
    return {**_checked(layer, shapes), **_affine(layer, inputs, w_dim)}


def _affine(owner: Record, outputs: int, w_dim: int) -> dict[str, Tensor]:
    shapes = {"weight": (outputs, w_dim), "bias": (outputs,)}
    tensors = _checked(owner.child("affine"), shapes)
    return {f"affine.{name}": tensor for name, tensor in tensors.items()}


def _checked(owner: Record, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    tensors = {name: owner.tensor(name) for name in shapes}
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise _error(owner, f"{name} {shape}", f"{tuple(tensors[name].shape)}")
    return tensors


def _side(owner: Record, name: str) -> int:
    """Return a size that may be stored per axis."""
    sides = set(_whole_numbers(owner, name))
    if len(sides) != 1:
        raise _error(owner, f"{name} of square maps", f"{sorted(sides)}")
    return sides.pop()


def _padding(layer: Record) -> tuple[int, int]:
    padding = _whole_numbers(layer, "padding")
    if len(padding) != 4 or padding[:2] != padding[2:]:
        raise _error(layer, "padding of four numbers, the same along both axes", f"{padding}")
    return padding[0], padding[1]


def _whole_numbers(owner: Record, name: str) -> list[int]:
    found = owner.attribute(name)
    listed: object = found.tolist() if isinstance(found, np.ndarray) else found
    numbers = []
    for number in listed if isinstance(listed, list | tuple) else [listed]:
        if not isinstance(number, int | float) or number % 1 != 0:
            raise _error(owner, f"whole numbers in {name}", f"{found!r:.80}")
        numbers.append(int(number))
    return numbers


def _error(owner: Record, expected: str, got: str) -> GeneratorError:
    return GeneratorError(
        f"network {owner.path}: expected {expected}, got {got}; the file is not a StyleGAN3 or "
        f"StyleGAN-XL generator of a known layout"
    )
