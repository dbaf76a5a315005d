"""Run a client's step and measure it."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from client_app.profiling import memory
from client_app.profiling.figures import DeviceFigures, Workload
from client_app.profiling.step import DeviceStep
from strategies.common.inputs import Images
from strategies.common.split.wire.codec import activation_sizes, gradient_sizes
from strategies.common.transport.compute import threads

# The first steps choose kernels and fill caches.
WARM_UP = 2
SMALLEST_CLIENT = {"width": 4, "cut": 2, "bottleneck": "C4S2"}
SMALLEST_SIDE = 8
_SCALE_BYTES = 4

Shape = tuple[int, ...]
Result = TypeVar("Result")


def measure(workload: Workload) -> DeviceFigures:
    """Measure one logical client in this process.

    Memory is the process's own: where it has worked before, some of what the client needs
    may be resident already, and the figure comes out too low.

    Parameters
    ----------
    workload : Workload
        What the client does.

    Raises
    ------
    SettingsError
        If the network cannot be built as the settings ask.
    """
    with threads(workload.threads):
        DeviceStep(_smallest(workload)).run()
        memory.reset_peak()
        baseline = memory.resident_bytes()
        step = DeviceStep(workload)
        milliseconds = [_timed(step.run) for _ in range(WARM_UP + workload.steps)][WARM_UP:]
        peak = memory.peak_bytes()
        online, backward, momentum = _operations(step, workload)
    sent, received = _traffic(step, workload)
    return DeviceFigures(
        front=workload.settings.front_name,
        parameters=step.num_parameters,
        baseline_bytes=min(baseline, peak),
        peak_bytes=peak,
        online_flops=online,
        backward_flops=backward,
        momentum_flops=momentum,
        bytes_up=sent,
        bytes_down=received,
        median_ms=float(np.percentile(milliseconds, 50)),
        p90_ms=float(np.percentile(milliseconds, 90)),
    )


def _smallest(workload: Workload) -> Workload:
    """Return a client so small that its step brings in the libraries' code and nothing else."""
    settings = workload.settings.model_copy(update=SMALLEST_CLIENT)
    images = Images(workload.task.images.channels, SMALLEST_SIDE, SMALLEST_SIDE)
    task = replace(workload.task, inputs=images)
    return replace(workload, settings=settings, task=task, batch=1)


def _timed(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def _operations(step: DeviceStep, workload: Workload) -> tuple[int, int, int]:
    """Count floating-point operations: online forward, backward, momentum forward."""
    view = step.view()
    activations, online = _counted(lambda: step.forward(view))
    backward = 0
    if not workload.frozen:
        _, backward = _counted(lambda: step.backward(activations))
    _, momentum = _counted(lambda: step.forward_momentum(view))
    return online, backward, momentum


def _counted(work: Callable[[], Result]) -> tuple[Result, int]:
    # Imported after memory has been measured: it brings in megabytes of its own.
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    backward = {torch.ops.aten.convolution_backward: _convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=backward) as counter:
        result = work()
    return result, int(counter.get_total_flops())


def _convolution_backward(
    gradient: Shape, _inputs: Shape, weight: Shape, *others: object, **_: object
) -> int:
    """Count one convolution's backward pass, from the shapes of its tensors.

    Torch's own count is too high for convolutions in groups. Each gradient that is asked
    for costs as much as the forward pass; the first layer's inputs need none.
    """
    asked = others[-1]
    sought = sum(asked[:2]) if isinstance(asked, list | tuple) else 0
    return sought * 2 * gradient[0] * math.prod(gradient[2:]) * math.prod(weight)


def _traffic(step: DeviceStep, workload: Workload) -> tuple[int, int]:
    """Count bytes up and down of one step."""
    shape = (1, workload.batch, *step.latent_shape)
    data, scales = activation_sizes(shape, workload.settings.codec)
    up = 2 * (data + scales * _SCALE_BYTES)
    if workload.frozen:
        return up, 0
    data, scales = gradient_sizes(shape, workload.settings.gradient_codec)
    return up, data + scales * _SCALE_BYTES
