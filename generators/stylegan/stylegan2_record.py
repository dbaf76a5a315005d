"""StyleGAN2's synthesis network, read off the record of a published file."""

import torch
from torch import Tensor

from generators.stylegan.records import Record
from generators.stylegan.stylegan2 import StyleGAN2Config
from strategies.common.errors import GeneratorError


def describe_stylegan2(synthesis: Record) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """Return the geometry and the tensors of a synthesis network.

    Parameters
    ----------
    synthesis : Record
        With one module ``b4``, ``b8``, ... per size.

    Raises
    ------
    GeneratorError
        If a layer is missing or has no tensor where one is needed.
    pydantic.ValidationError
        If the geometry is out of bounds.
    """
    blocks = _blocks(synthesis)
    convolutions = [block.child("conv1") for block in blocks]
    clamp = convolutions[0].attribute("conv_clamp")
    config = StyleGAN2Config.model_validate(
        {
            "w_dim": synthesis.integer("w_dim"),
            "channels": tuple(len(layer.tensor("bias")) for layer in convolutions),
            "image_channels": len(blocks[-1].child("torgb").tensor("bias")),
            "architecture": blocks[-1].attribute("architecture", "skip"),
            "noise": convolutions[0].has_tensor("noise_const"),
            "clamp": None if clamp is None else convolutions[0].number("conv_clamp"),
        }
    )
    tensors = {"taps": _taps(blocks[-1])}
    for place, block in enumerate(blocks):
        tensors.update(_block(block, f"blocks.{place}"))
    return config, tensors


def _blocks(synthesis: Record) -> list[Record]:
    blocks: list[Record] = []
    while synthesis.has_child(f"b{4 << len(blocks)}"):
        blocks.append(synthesis.child(f"b{4 << len(blocks)}"))
    if not blocks:
        raise GeneratorError(
            f"network {synthesis.path}: expected blocks b4, b8, ..., got "
            f"{', '.join(synthesis.children()) or 'none'}"
        )
    return blocks


def _block(block: Record, name: str) -> dict[str, Tensor]:
    tensors = {f"{name}.const": block.tensor("const")} if block.has_tensor("const") else {}
    for part in ("conv0", "conv1", "torgb"):
        if block.has_child(part):
            tensors.update(_layer(block.child(part), f"{name}.{part}"))
    if block.has_child("skip"):
        tensors[f"{name}.skip"] = block.child("skip").tensor("weight")
    return tensors


def _layer(layer: Record, name: str) -> dict[str, Tensor]:
    affine = layer.child("affine")
    tensors = {
        f"{name}.conv.weight": layer.tensor("weight"),
        f"{name}.conv.affine.weight": affine.tensor("weight"),
        f"{name}.conv.affine.bias": affine.tensor("bias"),
        f"{name}.bias": layer.tensor("bias"),
    }
    if layer.has_tensor("noise_const"):
        tensors[f"{name}.noise"] = layer.tensor("noise_const")
        tensors[f"{name}.noise_strength"] = layer.tensor("noise_strength")
    return tensors


def _taps(block: Record) -> Tensor:
    """Return the low-pass filter along one axis; files hold its product with itself."""
    square = block.tensor("resample_filter")
    taps = square.sum(0)
    if square.ndim != 2 or not torch.allclose(torch.outer(taps, taps), square, atol=1e-6):
        raise GeneratorError(
            f"network {block.path}: expected a low-pass filter of 4 x 4 taps that is the same "
            f"along both axes, got {tuple(square.shape)}"
        )
    return taps
