"""Where adapters sit in a network: found by its structure, whatever its classes are called.

A block is a member of a ``ModuleList`` with an attention and a feed-forward part. What its
normalisation layers look like tells how it is adapted, and how wide it is.
"""

import re
from dataclasses import dataclass
from typing import Literal, final

from torch import nn

from strategies.common.errors import ModelError

Placement = Literal["residual", "post-norm"]

_ATTENTION = re.compile("attention|attn", re.IGNORECASE)


@final
@dataclass(frozen=True)
class Site:
    """One place for an adapter A.

    Attributes
    ----------
    name : str
        Path of ``module`` in the network.
    module : nn.Module
        What is to be hooked: the block, or the last layer normalisation inside it.
    width : int
        Width of the hidden states there.
    placement : Placement
        ``"residual"``: h becomes h + A(h), where h is the block's output. ``"post-norm"``:
        with u the input of the block's last normalisation LN, LN(u) becomes
        LN(u + A(LN(u))) (Pfeiffer et al. 2021, https://arxiv.org/abs/2005.00247).
    """

    name: str
    module: nn.Module
    width: int
    placement: Placement


def find_sites(module: nn.Module) -> tuple[Site, ...]:
    """Find one site per transformer block, in the order of the network's own modules.

    A block whose feed-forward part ends in ``output.LayerNorm``, as BERT's does, is
    "post-norm"; any other one with normalisation layers of its own is "residual", be they
    before its parts, as in ViLT, CLIP, SigLIP and ViT, or behind them.

    Raises
    ------
    ModelError
        If there is no block, or one of which the width cannot be told.
    """
    sites = tuple(
        _site(name, block)
        for name, block in module.named_modules()
        if _is_listed(module, name) and _is_block(block)
    )
    if not sites:
        raise ModelError(
            f"adapters on {type(module).__name__}: expected transformer blocks in a ModuleList, "
            f"each with an attention and a feed-forward part, found none; take a backbone that "
            f"is built of such blocks"
        )
    return sites


def _is_listed(module: nn.Module, name: str) -> bool:
    parent, _, own = name.rpartition(".")
    return bool(own) and isinstance(module.get_submodule(parent), nn.ModuleList)


def _is_block(module: nn.Module) -> bool:
    children = dict(module.named_children())
    attends = {name for name in children if _ATTENTION.search(name)}
    # What is left when attention is taken away must multiply by matrices. T5 lists the parts
    # of its blocks, and a part with attention alone is no block.
    feeds_forward = any(
        parameter.ndim > 1
        for name in children.keys() - attends
        for parameter in children[name].parameters()
    )
    return bool(attends) and feeds_forward


def _site(name: str, block: nn.Module) -> Site:
    norm = getattr(getattr(block, "output", None), "LayerNorm", None)
    if isinstance(norm, nn.Module):
        path = f"{name}.output.LayerNorm"
        return Site(path, norm, _only_width(path, [norm]), "post-norm")
    own = [child for child in block.children() if _is_normalisation(child)]
    return Site(name, block, _only_width(name, own), "residual")


def _is_normalisation(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    is_leaf = next(module.children(), None) is None
    return is_leaf and isinstance(weight, nn.Parameter) and weight.ndim == 1


def _only_width(name: str, norms: list[nn.Module]) -> int:
    widths = {parameter.numel() for norm in norms for parameter in norm.parameters()}
    if len(widths) != 1:
        raise ModelError(
            f"adapters at {name}: expected a block with normalisation layers of one width, got "
            f"widths {sorted(widths)}; blocks of this kind are not known, take another backbone"
        )
    return widths.pop()
