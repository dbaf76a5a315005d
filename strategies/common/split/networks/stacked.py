"""Models of one shape as one matrix, computed together or one after another."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from strategies.common.errors import ModelError


@final
class StackedModels:
    """Models of one shape; every row of a matrix holds the parameters of one.

    A row lists the parameters in the order of ``named_parameters``, each flattened. Batched
    and sequential computation agree up to rounding; sequential is bit for bit what the
    module itself computes.

    Parameters
    ----------
    template : nn.Module
        Gives structure and shapes; its own weights are not used.
    batched : bool
        Whether all models are computed in one pass: about four times faster with images of
        8 pixels, no faster with 32, and all activations are held at once.

    Raises
    ------
    ModelError
        If the template has buffers, which no row would carry, or no parameters.
    """

    def __init__(self, template: nn.Module, *, batched: bool) -> None:
        buffers = [name for name, _ in template.named_buffers()]
        if buffers:
            raise ModelError(
                f"client model: expected no buffers, got {', '.join(buffers)}; use group "
                f"normalisation instead of batch normalisation"
            )
        self._template = template
        self._batched = batched
        self._shapes = {name: value.shape for name, value in template.named_parameters()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        if not self._sizes:
            raise ModelError("client model: expected parameters, got none")

    @property
    def num_parameters(self) -> int:
        """Length of a row, P."""
        return sum(self._sizes)

    def vector(self, module: nn.Module) -> Tensor:
        """Return a copy of a module's parameters as one row, (P,).

        Raises
        ------
        ModelError
            If the module's parameters are not the template's.
        """
        self._check(module)
        return torch.cat([value.detach().flatten() for value in module.parameters()])

    def load(self, vector: Tensor, module: nn.Module) -> None:
        """Copy one row, (P,), into a module's parameters.

        Raises
        ------
        ModelError
            If the row has another length, or the module's parameters are not the template's.
        """
        self._check(module)
        if vector.shape != (self.num_parameters,):
            raise ModelError(
                f"client model: expected ({self.num_parameters},) parameters, got "
                f"{tuple(vector.shape)}"
            )
        named = self._named(vector.detach())
        with torch.no_grad():
            for name, value in module.named_parameters():
                value.copy_(named[name])

    def __call__(self, vectors: Tensor, inputs: Tensor) -> Tensor:
        """Compute every model on its own samples; gradients flow to ``vectors``.

        Parameters
        ----------
        vectors : Tensor
            (models, P), one model for each member of ``inputs``; or (1, P), one model for
            all of them.
        inputs : Tensor
            (members, batch, channels, height, width).

        Returns
        -------
        Tensor
            (members, batch, *latent).

        Raises
        ------
        ModelError
            If the shapes do not fit each other or the template.
        """
        models, members = len(vectors), len(inputs)
        if vectors.shape[1:] != (self.num_parameters,) or models not in {1, members}:
            raise ModelError(
                f"client models: expected ({members} or 1, {self.num_parameters}) parameters "
                f"for {members} members, got {tuple(vectors.shape)}"
            )
        if not self._batched:
            rows = vectors.expand(members, -1).unbind()
            pairs = zip(rows, inputs.unbind(), strict=True)
            return torch.stack([self._compute(self._named(row), batch) for row, batch in pairs])
        if models == 1:
            together = self._compute(self._named(vectors[0]), inputs.flatten(0, 1))
            return together.reshape(*inputs.shape[:2], *together.shape[1:])
        outputs: Tensor = vmap(self._compute)(self._named(vectors), inputs)
        return outputs

    def _compute(self, named: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self._template, dict(named), (inputs,))
        return outputs

    def _named(self, vectors: Tensor) -> dict[str, Tensor]:
        """View (..., P) as parameters (..., *shape) by name."""
        parts = torch.split(vectors, self._sizes, dim=-1)
        return {
            name: part.reshape(*vectors.shape[:-1], *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def _check(self, module: nn.Module) -> None:
        expected = list(self._shapes.items())
        got = [(name, value.shape) for name, value in module.named_parameters()]
        if got != expected:
            pairs = zip_longest(expected, got)
            first, other = next((a, b) for a, b in pairs if a != b)
            raise ModelError(
                f"client model: expected the parameters of the template, here {_told(first)}, "
                f"got {_told(other)}"
            )


def _told(parameter: tuple[str, torch.Size] | None) -> str:
    return "no more" if parameter is None else f"{parameter[0]} {tuple(parameter[1])}"
