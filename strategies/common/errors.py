"""Every error that Nectar raises on purpose.

::

    NectarError
    ├── SettingsError      a setting is unknown, missing or out of range
    ├── DataError          a data source cannot be read, or is too small for its clients
    ├── ModelError         a model is unknown or cannot serve the data or the method
    ├── WireError          a payload or report breaks its schema
    ├── StoreError         a device's private state cannot be read or written
    ├── RunFolderError     the server cannot read or write a run's folder
    ├── GeneratorError     an image generator cannot be built or used
    ├── ExchangeError      activations and gradients cannot be exchanged in time
    ├── DropoutError       a client dropped out of a round, as was to be simulated
    └── FederationError    too few nodes are left to go on

A message says where, what was expected, what was found and what to do. Only the type
and the text of an error cross the network, so the text is the whole diagnosis.
"""

from typing import Final

from strategies.common.names import printable

# Of numbers that left their range where it is not known whose steps were too long.
LOWER_RATES: Final = "lower learning-rate, or the server's own where the method has one"


class NectarError(Exception):
    """Base of every error that Nectar raises on purpose."""

    def __str__(self) -> str:
        """Return the text in a form that can travel, whatever file names stand in it."""
        return printable(super().__str__())


class SettingsError(NectarError):
    """A setting is unknown, missing or out of range."""


class DataError(NectarError):
    """A data source cannot be read, or is too small for its clients."""


class ModelError(NectarError):
    """A model is unknown or cannot serve the data or the method."""


class WireError(NectarError):
    """A payload or a report breaks its schema."""


class StoreError(NectarError):
    """A device's private state cannot be read or written."""


class RunFolderError(NectarError):
    """The server cannot read or write a run's folder."""


class GeneratorError(NectarError):
    """An image generator cannot be built or used."""


class ExchangeError(NectarError):
    """Activations and gradients cannot be exchanged in time."""


class DropoutError(NectarError):
    """A client dropped out of a round, as was to be simulated."""


class FederationError(NectarError):
    """Too few nodes are left to go on."""
