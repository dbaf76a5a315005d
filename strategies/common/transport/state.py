"""States that survive a round: dataclasses of modules and tensors, to tensors and back.

The same functions serve a device's private state and the server's checkpoints.
"""

from collections.abc import Mapping
from dataclasses import fields

from torch import Tensor, nn

from strategies.common.errors import StoreError


def to_tensors(state: object) -> dict[str, Tensor]:
    """Flatten a state into named tensors.

    Parameters
    ----------
    state : object
        Dataclass whose fields are ``nn.Module``, ``Tensor`` or ``None``.

    Returns
    -------
    dict[str, Tensor]
        ``"field"`` for a tensor, ``"field/name"`` for each tensor of a module; contiguous
        copies on the CPU.
    """
    tensors: dict[str, Tensor] = {}
    for field in fields(state):  # type: ignore[arg-type]
        value = getattr(state, field.name)
        if isinstance(value, nn.Module):
            for name, tensor in value.state_dict().items():
                tensors[f"{field.name}/{name}"] = _detached(tensor)
        elif isinstance(value, Tensor):
            tensors[field.name] = _detached(value)
        elif value is not None:
            raise TypeError(f"state field {field.name} holds a {type(value).__name__}")
    return tensors


def load_tensors(state: object, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors made by :func:`to_tensors` back into a state of the same class.

    Raises
    ------
    StoreError
        If a module's tensors are missing, surplus or of another shape.
    """
    known = {field.name for field in fields(state)}  # type: ignore[arg-type]
    modules = {name for name in known if isinstance(getattr(state, name), nn.Module)}
    strays = sorted(
        name
        for name in tensors
        if name.split("/")[0] not in (modules if "/" in name else known - modules)
    )
    if strays:
        raise StoreError(f"stored state has unknown fields: {', '.join(strays)}")
    for name in known:
        value = getattr(state, name)
        if isinstance(value, nn.Module):
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            try:
                value.load_state_dict(own, strict=True)
            except RuntimeError as error:
                raise StoreError(f"stored state does not fit {name}: {error}") from None
        else:
            setattr(state, name, tensors.get(name))


def _detached(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
