"""How both sides make sure that vectors of equal length hold the same tensors."""

from typing import Protocol

import torch
from torch import Tensor

from strategies.common.errors import WireError

DIGEST_BYTES = 32


class Keyed(Protocol):
    """A description of tensors that travel as one vector."""

    def digest(self) -> bytes:
        """Return 32 bytes that are equal where the tensors are the same ones."""
        ...


def keys_of(shape: Keyed) -> Tensor:
    """Return the digest of a shape as it travels, (32,) uint8."""
    return torch.frombuffer(bytearray(shape.digest()), dtype=torch.uint8)


def require_keys(named: str, keys: Tensor, shape: Keyed, described: str) -> None:
    """Refuse tensors that are others than agreed, though as many numbers.

    Parameters
    ----------
    named : str
        Sender and schema of the payload.
    keys : Tensor
        (digest,) uint8 that it carries.
    shape : Keyed
        What both sides agreed upon.
    described : str
        The same in words.

    Raises
    ------
    WireError
        Saying what to do.
    """
    if not torch.equal(keys, keys_of(shape)):
        raise WireError(
            f"{named}.keys: expected the digest of {described}, got another one; all parts of a "
            f"federation must run the same version of the app with the same settings and backbone"
        )
