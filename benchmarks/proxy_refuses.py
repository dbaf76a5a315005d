"""What the proxy of a federation lets through: ten paths of a registered node's, and nothing else.

``python -m benchmarks.proxy_refuses https://127.0.0.1:8443 --ca ca.crt`` asks for every route of
the SuperLink of this environment by GET and by POST, without a signature, and for sixteen targets
that are made to be read differently by proxy and SuperLink. It prints what was expected and got,
and ends with status 1 if anything differs. 401 is the SuperLink's own answer: it was reached.
"""

import argparse
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

NODES_PATHS: Final = tuple(
    f"/v1/fleet/{word}"
    for word in (
        *("activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages"),
        *("push-messages", "get-run", "get-fab", "push-object", "pull-object"),
        "confirm-message-received",
    )
)
_REFUSED, _REACHED, _MALFORMED = 403, 401, 400
# The target as it is sent, and the answer. Where a cleaned target is one of the ten, that path
# alone arrives, whatever stood around it.
CRAFTED: Final = (
    ("/v1/fleet/../control/list-nodes", _REFUSED),
    ("/v1/fleet/%2e%2e/control/list-nodes", _REFUSED),
    ("/v1/fleet/..%2fcontrol/list-nodes", _REFUSED),
    ("/v1/fleet%2f..%2fcontrol%2flist-nodes", _REFUSED),
    ("/v1/fleet/pull-messages/../../control/list-nodes", _REFUSED),
    ("/v1/fleet/pull-messages%2f..%2f..%2fcontrol%2flist-nodes", _REFUSED),
    ("/v1/fleet/pull-messages;/../../control/list-nodes", _REFUSED),
    ("/v1/control/list-nodes%23/../../fleet/pull-messages", _REACHED),
    ("/v1/control/list-nodes%3f/../../fleet/pull-messages", _REACHED),
    ("//v1//control//list-nodes", _REFUSED),
    ("/V1/CONTROL/LIST-NODES", _REFUSED),
    ("https://superlink:8000/v1/control/list-nodes", _REFUSED),
    ("/v1/fleet/pull-messages%00/../../control/list-nodes", _MALFORMED),
    ("/v1/fleet/pull-messages%0a", _REACHED),
    ("/v1/fleet/pull-messages?/../../control/list-nodes", _REACHED),
    ("/v1/fleet/..\\control\\list-nodes", _REFUSED),
)
_TIMEOUT_S = 30.0


@final
@dataclass(frozen=True)
class Answer:
    """One request and its answer.

    Attributes
    ----------
    group : str
        What kind of request it was.
    method, target : str
        The request.
    expected, got : int
        Status.
    """

    group: str
    method: str
    target: str
    expected: int
    got: int


def routes() -> tuple[str, ...]:
    """Return the path of every route of Flower's SuperLink."""
    from flwr.superlink.main import create_app  # noqa: PLC0415 - brings a server

    app = create_app()
    paths: set[str] = set(app.openapi()["paths"])
    paths.update(str(getattr(route, "path", "")) for route in app.routes)
    return tuple(sorted(path for path in paths if path.startswith("/")))


def ask_all(url: str, ca: Path) -> Iterator[Answer]:
    """Ask for every route and every crafted target.

    Parameters
    ----------
    url : str
        Where the proxy listens, e.g. ``https://127.0.0.1:8443``.
    ca : Path
        What its certificate is checked with.

    Raises
    ------
    OSError
        If it does not answer.
    """
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 443
    context = ssl.create_default_context(cafile=str(ca))

    def ask(group: str, method: str, target: str, expected: int) -> Answer:
        return Answer(group, method, target, expected, _status(host, port, context, method, target))

    for path in routes():
        nodes = path in NODES_PATHS
        group = "a node's path" if nodes else "other routes"
        yield ask(group, "GET", path, _REFUSED)
        yield ask(group, "POST", path, _REACHED if nodes else _REFUSED)
    for target, expected in CRAFTED:
        yield ask("crafted", "POST", target, expected)


def show(answers: list[Answer], console: Console) -> bool:
    """Print what was expected and got, and tell whether nothing differs."""
    table = Table("request", "how many", "expected", "got")
    plain = [answer for answer in answers if answer.group != "crafted"]
    counted = Counter((a.group, a.method, a.expected, a.got) for a in plain)
    for (group, method, expected, got), number in sorted(counted.items()):
        table.add_row(f"{method} {group}", str(number), str(expected), str(got))
    for answer in answers:
        if answer.group == "crafted":
            words = (f"{answer.method} {answer.target}", "1", str(answer.expected))
            table.add_row(*words, str(answer.got))
    console.print(table)
    wrong = [answer for answer in answers if answer.got != answer.expected]
    for answer in wrong:
        told = f"{answer.method} {answer.target}: expected {answer.expected}, got {answer.got}"
        console.print(told, style="bold red", soft_wrap=True)
    asked = sum(answer.group == "crafted" for answer in answers)
    console.print(f"{len(plain)} requests for routes, {asked} crafted; {len(wrong)} differ")
    return not wrong


def _status(host: str, port: int, context: ssl.SSLContext, method: str, target: str) -> int:
    """Send a target as it is, which no client library would, and return the answer's status."""
    lines = (
        f"{method} {target} HTTP/1.1",
        f"Host: {host}:{port}",
        # What the hub asks for before it asks who calls.
        "Content-Type: application/protobuf",
        "Content-Length: 0",
    )
    request = "\r\n".join((*lines, "Connection: close", "", ""))
    with (
        socket.create_connection((host, port), _TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(request.encode())
        answer = connection.makefile("rb").readline().split()
    return int(answer[1]) if len(answer) > 1 else 0


def main() -> int:
    """Ask, show, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proxy_refuses", description=__doc__)
    parser.add_argument("url", help="where the proxy listens, e.g. https://127.0.0.1:8443")
    parser.add_argument("--ca", type=Path, required=True, help="the federation's ca.crt")
    arguments = parser.parse_args()
    return 0 if show(list(ask_all(arguments.url, arguments.ca)), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
