"""A round without clients: the server learns from the activations that it kept."""

from strategies.common.errors import StoreError
from strategies.mocosfl.cache import Cache, replayed_place
from strategies.mocosfl.engine import MocoSFLEngine


def replay(engine: MocoSFLEngine, cache: Cache | None, seed: int) -> None:
    """Play the steps of a round with kept ones, each of which has its turn in every pass.

    Parameters
    ----------
    engine : MocoSFLEngine
        Its plan tells the round's steps.
    cache : Cache | None
        What to learn from.
    seed : int
        Root seed of the run, from which the order is drawn.

    Raises
    ------
    StoreError
        If there is nothing to learn from.
    """
    first = engine.plan.first_step
    if cache is None:
        raise StoreError(
            f"mocosfl: step {first}: expected activations of the first mocosfl.cache-rounds "
            f"rounds, found none; a run deletes them after its last round, so start a new run "
            f"instead of giving this one more rounds"
        )
    for step in range(first, first + engine.plan.steps):
        engine.replay(step, cache.step(replayed_place(len(cache), step, seed)))


def replay_note(cache: Cache) -> str:
    """Say what is kept, and what devices are asked for from here."""
    return (
        f"mocosfl.cache-rounds: the server keeps {len(cache)} steps of activations, "
        f"{cache.num_bytes:,} bytes in memory and in each checkpoint, and learns from them alone; "
        f"devices send nothing more but samples to evaluate"
    )
