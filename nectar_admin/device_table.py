"""The list of devices, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from rich.table import Table
from rich.text import Text

from nectar_admin.control import OFFLINE, ONLINE
from nectar_admin.devices import Listed
from nectar_admin.printer import Printer
from nectar_admin.run_journal import Run

_ABSENT = "-"
# Wide enough for all columns where nobody looks at a terminal.
_WIDTH = 200


def show(devices: Sequence[Listed], run: Run | None, now: datetime) -> None:
    """Print a table.

    Parameters
    ----------
    devices : Sequence[Listed]
        What is known of each.
    run : Run | None
        The run that was looked at.
    now : datetime
        The time.
    """
    columns = ["device", "node", "status"]
    if run is not None:
        columns += ["client", "last round", "failures", "last failure"]
    title = f"run {run.name}, {run.played} rounds played" if run else None
    table = Table(*columns, title=title, title_justify="left")
    for device in devices:
        name = device.name or "(no key of it here)"
        cells = [name, _text(device.node_id), _status(device, now)]
        if run is not None:
            cells += _rounds(device)
        table.add_row(*map(Text, cells))
    console = Printer()
    if not console.is_terminal:
        console = Printer(_WIDTH)
    console.print(table)


def as_json(devices: Sequence[Listed]) -> str:
    """Return the same as JSON; numbers of nodes as strings, since many readers round them."""
    entries = []
    for device in devices:
        entry = asdict(device)
        entry["node_id"] = None if device.node_id is None else str(device.node_id)
        entry["since"] = device.since.isoformat() if device.since else None
        entries.append(entry)
    return json.dumps(entries, indent=1)


def _rounds(device: Listed) -> list[str]:
    if device.rounds is None:
        return [_text(device.client), _ABSENT, _ABSENT, ""]
    told = device.rounds
    return [_text(device.client), str(told.last_round), str(told.failures), told.last_failure]


def _status(device: Listed, now: datetime) -> str:
    if device.since is None or device.status not in (ONLINE, OFFLINE):
        return device.status
    ago = _span(now - device.since)
    return f"online for {ago}" if device.status == ONLINE else f"offline, last seen {ago} ago"


def _span(time: timedelta) -> str:
    """Write a time span in its two largest units.

    Examples
    --------
    >>> _span(timedelta(days=2, hours=3)), _span(timedelta(minutes=5)), _span(timedelta(0))
    ('2 d 3 h', '5 min', '0 s')
    """
    seconds = max(0, round(time.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def _text(number: int | None) -> str:
    return _ABSENT if number is None else str(number)
