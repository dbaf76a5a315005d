"""How many clients train in a round, and that they can be as many as a round needs."""

from strategies.common.errors import SettingsError
from strategies.common.settings import RunSettings
from strategies.methods import exchanges


def num_training(run: RunSettings, clients: int) -> int:
    """Return how many of the clients that are there train in a round."""
    return max(1, round(run.participation * clients))


def require_enough(run: RunSettings, clients: int, said: str) -> None:
    """Refuse to wait in each round for more replies than there will be.

    Parameters
    ----------
    run : RunSettings
        General settings.
    clients : int
        Clients of the run, all that there ever are; where they exchange activations, nodes.
    said : str
        Who says how many, e.g. ``"--clients"``.

    Raises
    ------
    SettingsError
        With the most that can be asked for.
    """
    # Whom those of a split network choose are clients, of which a node carries several.
    most = clients if exchanges(run.method) else num_training(run, clients)
    if run.min_replies <= most:
        return
    some = f", as participation={run.participation:g} lets no more train" if most < clients else ""
    raise SettingsError(
        f"setting min-replies: expected at most {most} with {said}{clients}{some}, got "
        f"{run.min_replies}; no round would ever have as many replies"
    )
