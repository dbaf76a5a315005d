"""What one client of a split network costs this device, for the server's books."""

from strategies.common.errors import NectarError
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

_STEPS = 10


def cost_of_a_client(
    split: SplitSettings, task: Task, threads: int
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Measure one client with one image per step, in a process of its own on the CPU.

    Parameters
    ----------
    split : SplitSettings
        Network, cut and codecs.
    task : Task
        Channels and size of an image.
    threads : int
        Torch threads.

    Returns
    -------
    dict[str, float]
        Figures by name; empty where they could not be measured.
    tuple[str, ...]
        Why not, in a sentence.
    """
    # Once per node and run, and only where activations are exchanged.
    from client_app.profile import measure_apart  # noqa: PLC0415
    from client_app.profiling.figures import Workload  # noqa: PLC0415

    work = Workload(split, task, batch=1, steps=_STEPS, frozen=False, threads=threads)
    try:
        found = measure_apart(work)
    except (NectarError, OSError) as error:
        return {}, (f"this device could not be measured: {error}",)
    figures = {
        "model_bytes": found.model_bytes,
        "memory_above_idle_bytes": found.extra_bytes,
        "mflop_per_image": found.flops / 1e6,
        "up_per_image_bytes": found.bytes_up,
        "down_per_image_bytes": found.bytes_down,
        "ms_per_image": found.median_ms,
    }
    return {name: float(value) for name, value in figures.items()}, ()
