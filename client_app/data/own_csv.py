"""``own-csv:<file>``: a device's own table, as of ``csv``, of which nothing is dealt.

All devices must have the same classes in the same order. Where a device may lack one, a file beside
the table lists them all, one in each line: ``reviews.classes.txt`` beside ``reviews.csv``.
"""

from pathlib import Path

from client_app.data import class_list, csv_file
from client_app.data.collection import Collection
from strategies.common.settings import RunSettings

require = csv_file.require


def files(place: Path) -> list[Path]:
    """Return the file, and the list of its classes if there is one.

    Raises
    ------
    DataError
        If there is no such file.
    """
    listing = _listing(place)
    return [*csv_file.files(place), *([listing] if listing.exists() else [])]


def read(place: Path, settings: RunSettings) -> Collection:
    """Read labels and rows; see :func:`client_app.data.csv_file.read`."""
    listing = _listing(place)
    classes = class_list.read(listing) if listing.exists() else ()
    return csv_file.read(place, settings, classes, own=True)


def _listing(place: Path) -> Path:
    return place.with_suffix(".classes.txt")
