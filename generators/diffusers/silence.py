"""The libraries' progress bars and log lines, switched off for a while.

A server's log is read for the federation's sake; what matters of theirs becomes an error.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from transformers.utils import logging as transformers_logging

# What the libraries warn of in their own code, which no caller can change: a call of SDXL's
# to itself, how numpy reads the tensors of a noise schedule, and what they alter in a folder's
# configuration, which is told as a decision.
_OWN_WARNINGS = (
    (".*upcast_vae.*", FutureWarning),
    ("The configuration file of .*", FutureWarning),
    ("__array__ implementation doesn't accept a copy keyword.*", DeprecationWarning),
)


@contextmanager
def silenced() -> Iterator[None]:
    """Run a block without bars, log lines below errors and warnings of their own; restore all."""
    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    hub_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            for message, kind in _OWN_WARNINGS:
                warnings.filterwarnings("ignore", message, kind)
            yield
    finally:
        for library, (verbosity, bars) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
        if hub_bars:
            enable_progress_bars()
