"""States that survive a round: dataclasses of modules and tensors, to tensors and back.

The same functions serve a device's private state and the server's checkpoints.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields

import torch
from torch import Tensor, nn

from strategies.common.errors import LOWER_RATES, ModelError, StoreError

# What stands in a file for a field that is None, or a mapping with nothing in it: a field that
# is merely missing can then be told from it.
_NOTHING = ":nothing"


def to_tensors(state: object, *, copy: bool = True) -> dict[str, Tensor]:
    """Flatten a state into named tensors.

    Parameters
    ----------
    state : object
        Dataclass whose fields are ``nn.Module``, ``Tensor``, mappings from names to tensors, or
        ``None``.
    copy : bool
        Whether the tensors stay as they are when the state goes on; otherwise they are its own
        where they can be, for whoever needs them at once.

    Returns
    -------
    dict[str, Tensor]
        ``"field"`` for a tensor, ``"field/name"`` for each tensor of a module or mapping, and
        an empty ``"field:nothing"`` where there is none; contiguous, on the CPU, and no two in
        the same memory.
    """
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in _named(state):
        place = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.detach().to("cpu", copy=copy or place in seen).contiguous()
        seen.add(place)
    for field in fields(state):  # type: ignore[arg-type]
        value = getattr(state, field.name)
        if value is None or (isinstance(value, Mapping) and not value):
            tensors[field.name + _NOTHING] = torch.zeros(0)
    return tensors


def _named(state: object) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a state as they are, by the names under which they are stored."""
    for field in fields(state):  # type: ignore[arg-type]
        value = getattr(state, field.name)
        if isinstance(value, Tensor):
            yield field.name, value
        elif isinstance(value, nn.Module | Mapping):
            named = value.state_dict() if isinstance(value, nn.Module) else value
            yield from ((f"{field.name}/{name}", own) for name, own in named.items())
        elif value is not None:
            raise TypeError(f"state field {field.name} holds a {type(value).__name__}")


def require_finite(state: object) -> None:
    """Refuse a state with numbers from which nothing can be learnt any more.

    Raises
    ------
    ModelError
        Naming the field.
    """
    for name, tensor in _named(state):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"state {name}: expected finite values, got NaN or infinity; {LOWER_RATES}"
            )


def load_tensors(state: object, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors made by :func:`to_tensors` back into a state of the same class.

    Raises
    ------
    StoreError
        If a field is missing or surplus, or a module's tensors are of another shape.
    """
    known = {field.name: getattr(state, field.name) for field in fields(state)}  # type: ignore[arg-type]
    if strays := sorted(name for name in tensors if not _belongs(name, known)):
        raise StoreError(f"stored state has unknown fields: {', '.join(strays)}")
    if missing := [name for name, value in known.items() if not _is_there(name, value, tensors)]:
        raise StoreError(
            f"stored state lacks fields: {', '.join(missing)}; it was written by another version "
            f"of the app or for other settings"
        )
    for name, value in known.items():
        own = _of_field(name, tensors)
        if isinstance(value, nn.Module):
            try:
                value.load_state_dict(own, strict=True)
            except RuntimeError as error:
                raise StoreError(f"stored state does not fit {name}: {error}") from None
        elif isinstance(value, Mapping):
            setattr(state, name, own)
        else:
            setattr(state, name, tensors.get(name))


def _belongs(name: str, known: Mapping[str, object]) -> bool:
    """Tell whether a stored tensor is one that a field of its kind can have."""
    field, within, _ = name.removesuffix(_NOTHING).partition("/")
    if field not in known:
        return False
    if name == field + _NOTHING:
        return not isinstance(known[field], nn.Module)
    return bool(within) == isinstance(known[field], nn.Module | Mapping)


def _is_there(name: str, value: object, tensors: Mapping[str, Tensor]) -> bool:
    if isinstance(value, nn.Module):
        return True  # its own names are checked where they are loaded
    if isinstance(value, Mapping):
        return name + _NOTHING in tensors or bool(_of_field(name, tensors))
    return name in tensors or name + _NOTHING in tensors


def _of_field(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): own for k, own in tensors.items() if k.startswith(prefix)}
