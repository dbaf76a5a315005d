"""LoRA on a frozen foundation model, through peft: attached for a while, then gone.

A backbone is loaded once per process and serves many clients in turn, so what is attached to
it must leave no trace. :func:`attached` therefore gives back the very modules that it replaced,
also after an error, and never merges factors into weights: W + B A - B A is not W in floating
point.

Two changes can be carried at once: the federation's accumulated update, frozen and of any rank,
and the client's own factors, which are trained.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from strategies.common.errors import ModelError
from strategies.common.seeds import seeded
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

if TYPE_CHECKING:
    from peft import LoraConfig

# What query and value projections are called: ViLT, BERT and BLIP's text side; CLIP and most
# language models; BLIP's image side, which holds query, key and value in one layer.
QUERY_AND_VALUE = ("query", "value", "q_proj", "v_proj", "qkv")

OWN = "own"
ACCUMULATED = "accumulated"


def lora_shape(module: nn.Module, suffixes: Sequence[str] = QUERY_AND_VALUE) -> LoraShape:
    """Find the linear layers to adapt, in the order of ``named_modules``.

    Parameters
    ----------
    module : nn.Module
        The foundation model.
    suffixes : Sequence[str]
        Last parts of layer names; those without a match are passed over.

    Raises
    ------
    ModelError
        If no linear layer has such a name.
    """
    layers = {name: layer for name, layer in module.named_modules() if type(layer) is nn.Linear}
    targets = tuple(
        LoraTarget(name, layer.in_features, layer.out_features)
        for name, layer in layers.items()
        if name.rpartition(".")[2] in suffixes
    )
    if not targets:
        present = sorted({name.rpartition(".")[2] for name in layers})
        raise ModelError(
            f"LoRA on {type(module).__name__}: expected linear layers named "
            f"{', '.join(suffixes)}, got {', '.join(present) or 'no linear layer'}; "
            f"name the layers to adapt"
        )
    return LoraShape(targets)


@final
class AttachedLora:
    """What LoRA adds to a foundation model while it is attached; :func:`attached` makes it.

    Parameters
    ----------
    shape : LoraShape
        The adapted layers.
    rank : int
        Rank of the client's own factors.
    parameters : Sequence[nn.Parameter]
        They themselves, in the order of ``shape.keys(rank)``.
    """

    def __init__(self, shape: LoraShape, rank: int, parameters: Sequence[nn.Parameter]) -> None:
        self._shape = shape
        self._rank = rank
        self._parameters = tuple(parameters)

    def parameters(self) -> list[nn.Parameter]:
        """Return the client's own A and B of each layer in turn: all that is trained."""
        return list(self._parameters)

    def factors(self) -> LoraFactors:
        """Return a copy of the client's own factors, on the CPU.

        Raises
        ------
        ModelError
            If a value is NaN or infinite.
        """
        copies = (matrix.detach().to("cpu", copy=True) for matrix in self._parameters)
        return LoraFactors.of(self._shape, self._rank, copies)


@contextmanager
def attached(
    module: nn.Module, own: LoraFactors, accumulated: LoraFactors | None = None
) -> Iterator[AttachedLora]:
    """Let a foundation model compute with W + B A, and leave it as it was.

    Inside, nothing but the client's own factors has gradients. Afterwards every module, and
    every parameter's ``requires_grad``, is what it was before; torch's global random generators
    are never advanced.

    Parameters
    ----------
    module : nn.Module
        The foundation model, changed in place while the context is open.
    own : LoraFactors
        Where the client's own factors start, e.g. ``LoraFactors.initial(...)``.
    accumulated : LoraFactors | None
        A frozen change that is added as well, at the same layers; of any rank.

    Yields
    ------
    AttachedLora
        Access to the client's own factors, until the context closes.

    Raises
    ------
    ModelError
        If peft is not installed, LoRA is attached already, or the factors are for other layers.
    """
    originals = _originals(module, own.shape)
    if accumulated is not None and accumulated.shape != own.shape:
        raise ModelError(
            f"LoRA on {type(module).__name__}: expected an accumulated update of the layers "
            f"{own.shape.digest().hex()[:12]}, got {accumulated.shape.digest().hex()[:12]}"
        )
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        _inject(module, own, accumulated)
        for target, original in zip(own.shape.targets, originals, strict=True):
            module.get_submodule(target.name).train(original.training)
        yield AttachedLora(own.shape, own.rank, _parameters(module, own.shape, OWN))
    finally:
        for target, original in zip(own.shape.targets, originals, strict=True):
            module.set_submodule(target.name, original)
        vars(module).pop("peft_config", None)
        for parameter in trainable:
            parameter.requires_grad_(True)


def lora_config(factors: LoraFactors) -> "LoraConfig":
    """Return what peft must know of factors to carry them.

    Raises
    ------
    ModelError
        If peft is not installed.
    """
    try:
        from peft.tuners.lora import LoraConfig  # noqa: PLC0415
    except ImportError:
        raise ModelError(
            "LoRA: expected peft to be installed; install the project with its feddat extra, or "
            "choose bottleneck adapters"
        ) from None
    # Alpha equal to the rank at every layer makes peft's scaling 1: the factors hold it already.
    # Names are anchored because peft lets a pattern match the end of a longer name as well.
    targets = factors.shape.targets
    ranks = {rf"^{re.escape(target.name)}": target.rank(factors.rank) for target in targets}
    return LoraConfig(
        r=factors.rank,
        lora_alpha=factors.rank,
        rank_pattern=ranks,
        alpha_pattern=ranks,
        target_modules="|".join(re.escape(target.name) for target in targets),
    )


def _originals(module: nn.Module, shape: LoraShape) -> list[nn.Module]:
    if hasattr(module, "peft_config"):
        raise ModelError(
            f"LoRA on {type(module).__name__}: expected a model without adapters of peft, got "
            f"one that carries them; close what is attached first"
        )
    layers = dict(module.named_modules())
    for target in shape.targets:
        layer = layers.get(target.name)
        found = (layer.in_features, layer.out_features) if type(layer) is nn.Linear else None
        if found != (target.in_features, target.out_features):
            raise ModelError(
                f"LoRA on {type(module).__name__} at {target.name}: expected a linear layer of "
                f"{target.in_features} to {target.out_features}, got "
                f"{found or type(layer).__name__}; the factors belong to another model"
            )
    return [layers[target.name] for target in shape.targets]


def _inject(module: nn.Module, own: LoraFactors, accumulated: LoraFactors | None) -> None:
    """Put peft's layers in place of the linear ones, and the factors into them."""
    config = lora_config(own)
    from peft.tuners.lora import LoraModel  # noqa: PLC0415

    # peft draws starting values, all of which are overwritten below.
    with seeded(0):
        tuner = LoraModel(module, {OWN: config}, OWN)
        if accumulated is not None:
            tuner.peft_config[ACCUMULATED] = lora_config(accumulated)
            tuner.inject_adapter(module, ACCUMULATED)
            tuner.set_adapter([ACCUMULATED, OWN])
            # set_adapter turns on the gradients of all that it makes active.
            tuner.set_requires_grad(ACCUMULATED, False)
    _copy(own, _parameters(module, own.shape, OWN))
    if accumulated is not None:
        _copy(accumulated, _parameters(module, own.shape, ACCUMULATED))


def _parameters(module: nn.Module, shape: LoraShape, adapter: str) -> list[nn.Parameter]:
    return [
        module.get_parameter(f"{target.name}.{matrix}.{adapter}.weight")
        for target in shape.targets
        for matrix in ("lora_A", "lora_B")
    ]


@torch.no_grad()
def _copy(factors: LoraFactors, into: Sequence[Tensor]) -> None:
    for values, parameter in zip(factors.matrices(), into, strict=True):
        parameter.copy_(values)
