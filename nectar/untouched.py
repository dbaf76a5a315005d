"""The process that a federation is played in: what is global in it is left as it was."""

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from flwr.common.logger import FLOWER_LOGGER
from flwr.supercore.task_identity import TaskIdentity
from rich.console import Console

from nectar.checkout import at_hand

_IDENTITY = ("run_id", "node_id", "task_id")


@contextmanager
def untouched() -> Iterator[None]:
    """Run a block, and put back what it changed of the process.

    That is the path of imports, filters of warnings, global generators, torch's threads and
    its choice of algorithms, and who Flower takes this process for.
    """
    with ExitStack() as stack:
        stack.enter_context(at_hand())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.random.fork_rng(_gpus_in_use()))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        cudnn = torch.backends.cudnn
        stack.callback(setattr, cudnn, "deterministic", cudnn.deterministic)
        for name in _IDENTITY:
            stack.callback(setattr, TaskIdentity, name, _identity(name))
        yield


@contextmanager
def told_to(console: Console) -> Iterator[None]:
    """Run a block in which Flower's log goes to a console alone, a message a line."""
    handlers, propagates = FLOWER_LOGGER.handlers[:], FLOWER_LOGGER.propagate
    FLOWER_LOGGER.handlers[:] = [_Lines(console)]
    FLOWER_LOGGER.propagate = False
    try:
        yield
    finally:
        FLOWER_LOGGER.handlers[:] = handlers
        FLOWER_LOGGER.propagate = propagates


class _Lines(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), highlight=False, markup=False, soft_wrap=True)


def _gpus_in_use() -> list[int]:
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return list(range(torch.cuda.device_count())) if used else []


def _identity(name: str) -> int | None:
    try:
        return int(getattr(TaskIdentity, name))
    except RuntimeError:  # Flower's way to say that this is no task of its own
        return None
