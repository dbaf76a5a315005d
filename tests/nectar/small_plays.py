"""The smallest federation that is played from Python, and where."""

from pathlib import Path
from typing import Any, Final

from federations.split_federation import share_prepared_data

SMALL: Final[dict[str, Any]] = {
    "method": "fedproto",
    "models": "cnn,resnet4",
    "data": "digits",
    "max-samples": 40,
    "feature-dim": 16,
    "rounds": 2,
    "device": "cpu",
    "server-device": "cpu",
}
CLIENTS: Final = 3


def prepared_in(folder: Path) -> Path:
    """Return a folder for runs that finds data which other tests prepared."""
    share_prepared_data(folder / ".nectar")
    return folder
