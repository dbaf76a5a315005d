"""What must hold on a server: the hub out of sight, the proxy open for nodes and nothing else."""

import ssl
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

from nectar_admin.doctor.finding import Finding, fault, good
from nectar_admin.doctor.reach import Address, reached

_PATIENCE_S = 10.0
_FORBIDDEN = 403
_UNAUTHORISED = 401
_OK = 200
_BAD_GATEWAY = (502, 503, 504)
_LISTENING = "0A"
_LOOPBACK = frozenset(("0100007F", "00000000000000000000000001000000"))

# One of each kind that must never be reached from outside.
REFUSED: Final = (
    ("POST", "/v1/control/list-nodes"),
    ("POST", "/v1/control/start-run"),
    ("POST", "/v1/runtime/acquire-task"),
    ("POST", "/v1/fleet/register-node"),
    ("POST", "/v1/fleet/../control/list-nodes"),
    ("GET", "/v1/fleet/pull-messages"),
    ("GET", "/health"),
    ("GET", "/docs"),
)
# A node's path, which the hub closes to strangers.
ADMITTED: Final = "/v1/fleet/pull-messages"


def served(proxy: Address, hub: Address, authorities: Path | None) -> Iterator[Finding]:
    """Look at a server from itself.

    Parameters
    ----------
    proxy : Address
        By the name that devices use.
    hub : Address
        The SuperLink, on loopback.
    authorities : Path | None
        Certificates to trust; ``None`` for those of the system.
    """
    yield hidden(hub)
    yield healthy(hub, authorities)
    yield from reached(proxy, authorities)
    yield from refuses(proxy)


def hidden(hub: Address, tables: Path = Path("/proc/net")) -> Finding:
    """Look whether the hub listens on loopback alone.

    Parameters
    ----------
    hub : Address
        The SuperLink.
    tables : Path
        Where the kernel lists its sockets.
    """
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        if (tables / name).is_file()
        for line in (tables / name).read_text().splitlines()[1:]
    ]
    places = [
        address
        for address, _, port in (row[1].partition(":") for row in rows if row[3] == _LISTENING)
        if int(port, 16) == hub.port
    ]
    if not places:
        return fault(
            "hub",
            f"nothing listens on port {hub.port}",
            "start the SuperLink: systemctl start nectar-superlink; journalctl -u "
            "nectar-superlink says why it ended",
        )
    if not _LOOPBACK.issuperset(places):
        return fault(
            "hub",
            f"port {hub.port} is open on all of this machine's addresses: whoever reaches it can "
            "run any code here and on every device",
            "start flower-superlink with --host 127.0.0.1",
        )
    return good("hub", f"listens on loopback alone, port {hub.port}")


def healthy(hub: Address, authorities: Path | None) -> Finding:
    """Ask the hub how it is."""
    try:
        context = ssl.create_default_context(cafile=authorities)
        status = _status(hub, "GET", "/health", context)
    except (OSError, HTTPException) as error:
        return fault(
            "hub",
            f"{hub} does not answer with a certificate that is trusted ({error})",
            "does it have server.crt and server.key of the same folder of keys, and TLS at all?",
        )
    if status != _OK:
        return fault("hub", f"{hub} answers with HTTP {status}", "restart the SuperLink")
    return good("hub", f"{hub} is well")


def refuses(proxy: Address) -> Iterator[Finding]:
    """Knock at the proxy like a stranger: at what it must refuse, and at a node's path."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What is refused must be refused to whoever does not look at certificates, too.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        got = {(m, p): _status(proxy, m, p, context) for m, p in REFUSED}
        admitted = _status(proxy, "POST", ADMITTED, context)
    except (OSError, HTTPException) as error:
        yield fault("proxy", f"{proxy} does not answer ({error})", "systemctl status nectar-proxy")
        return
    open_ = [f"{m} {p} (HTTP {status})" for (m, p), status in got.items() if status != _FORBIDDEN]
    if open_:
        yield fault(
            "proxy",
            f"it does not refuse {', '.join(open_)}",
            "use docker/nginx.conf, which lets the ten paths of nodes through and nothing else; "
            "is this the proxy's port, or the hub's?",
        )
    else:
        yield good("proxy", f"refuses all {len(REFUSED)} requests that are none of a node's")
    if admitted in _BAD_GATEWAY:
        yield fault(
            "proxy",
            f"it cannot reach the hub (HTTP {admitted})",
            "does the hub run, and is its certificate of the same authority? the proxy's log says "
            "which",
        )
    elif admitted != _UNAUTHORISED:
        yield fault(
            "proxy",
            f"a node's path without a signature gets HTTP {admitted}, expected {_UNAUTHORISED}",
            "use docker/nginx.conf, and a SuperLink of this version of Flower",
        )
    else:
        yield good("proxy", "a node's path leads to the hub, which refuses strangers")


def _status(address: Address, method: str, path: str, context: ssl.SSLContext) -> int:
    connection = HTTPSConnection(address.host, address.port, timeout=_PATIENCE_S, context=context)
    try:
        connection.request(method, path, headers={"Content-Type": "application/protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()
