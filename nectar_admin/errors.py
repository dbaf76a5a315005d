"""The error of these commands.

::

    AdminError            what was asked for cannot be done
    └── UnreachableError  nobody answers at the SuperLink's address

A message says where, what was expected, what was found and what to do.
"""


class AdminError(Exception):
    """What was asked for cannot be done."""


class UnreachableError(AdminError):
    """Nobody answers at the SuperLink's address; it may be on its way."""
