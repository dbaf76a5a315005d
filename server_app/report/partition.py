"""The partition picture: how many training samples of each class every client holds."""

from collections.abc import Iterator
from typing import Final

from server_app.report.markup import Html, element, join
from server_app.run_record import RunRecord

MAX_CLIENTS: Final = 100
MAX_CLASSES: Final = 100
# Text stays readable on a cell up to this opacity.
FULL_OPACITY: Final = 0.55


def partition_picture(run: RunRecord) -> Html:
    """Draw clients by classes as a heat map of numbers, or say why there is none."""
    shared = dict(_counts(run))
    silent = [str(number) for number, c in run.clients.items() if c.train_counts is None]
    if not shared:
        return element("p", "The devices do not share how many samples of each class they hold.")
    width = max(len(counts) for counts in shared.values())
    names = [*run.class_names, *(str(i) for i in range(len(run.class_names), width))][:width]
    most = max((count for counts in shared.values() for count in counts), default=0)
    # A client that generates is alone on its node.
    generated = {number: c.generated for number, c in run.clients.items() if c.generated}
    last = ["generated"] if generated else []
    rows = [
        _row(number, counts, most, [f"+ {generated.get(number, 0)}" for _ in last])
        for number, counts in list(shared.items())[:MAX_CLIENTS]
    ]
    head = element("tr", element("td"), *map(_heading, [*names[:MAX_CLASSES], *last]))
    label = {"class": "heat", "aria-label": "Training samples of each class, by client"}
    picture = element("table", element("thead", head), element("tbody", *rows), attributes=label)
    box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Partition"}
    limits = _limits(silent, len(shared), width, generated=sum(generated.values()))
    return join(element("div", picture, attributes=box), limits)


def _counts(run: RunRecord) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the counts of every client, those that share a node one by one."""
    for node, client in run.clients.items():
        if client.train_counts is None:
            continue
        width = len(client.train_counts) // client.clients
        for place in range(client.clients):
            own = client.train_counts[place * width : (place + 1) * width]
            yield node * client.clients + place, own


def _heading(name: str) -> Html:
    return element("th", name, attributes={"scope": "col"})


def _row(client: int, counts: tuple[int, ...], most: int, beside: list[str]) -> Html:
    cells = []
    for count in counts[:MAX_CLASSES]:
        shade = count / most * FULL_OPACITY if most else 0.0
        attributes = {"style": f"background:rgb(var(--heat) / {shade:.3f})"}
        cells.append(element("td", str(count) if count else "", attributes=attributes))
    cells += [element("td", told) for told in beside]
    return element("tr", element("th", f"client {client}", attributes={"scope": "row"}), *cells)


def _limits(silent: list[str], shared: int, width: int, *, generated: int) -> Html:
    told = ["Training samples by client and class; an empty cell is a class the client lacks."]
    if generated:
        told.append("Generated samples, of all classes together, stand in the last column alone.")
    if silent:
        told.append(f"Not shared by the devices of these clients: {', '.join(silent)}.")
    if shared > MAX_CLIENTS:
        told.append(f"The first {MAX_CLIENTS} of {shared} clients.")
    if width > MAX_CLASSES:
        told.append(f"The first {MAX_CLASSES} of {width} classes.")
    return element("p", " ".join(told), attributes={"class": "muted"})
