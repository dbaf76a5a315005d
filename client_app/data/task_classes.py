"""How many classes a task must have, whatever the source: with one there is nothing to tell apart.

A client may hold samples of one class alone; the task is what all clients together tell apart.
"""

from typing import Final

from client_app.data.sources import SOURCES, Source
from strategies.common.errors import DataError

FEWEST: Final = 2
# How a device says that there are classes of which it may have no samples.
_LISTED: Final = {
    "folder": "add an empty folder for each class that this device lacks, or list all classes in "
    "classes.txt, the same on all devices",
    "pfllib": "write in config.json how many classes there are in all clients' files, as "
    "num_classes",
    "own-csv": "list all classes in NAME.classes.txt beside NAME.csv, the same on all devices",
}


def require(source: Source, count: int) -> None:
    """Refuse a task of too few classes, which every model gets right without learning.

    Parameters
    ----------
    source : Source
        Where the samples are from.
    count : int
        Classes of which the whole data set has samples; of a device's own, classes that it knows.

    Raises
    ------
    DataError
        With what to do.
    """
    if count >= FEWEST:
        return
    remedy = _LISTED.get(source.kind, "add samples of other classes")
    if SOURCES[source.kind].tables:
        remedy += ", or set label-column to another column"
    where = f"{source.kind} {source.place}".strip()
    raise DataError(
        f"{where}: expected a task of at least {FEWEST} classes, found {count}, which every model "
        f"gets right without learning; {remedy}"
    )
