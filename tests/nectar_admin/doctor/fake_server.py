"""A server on loopback with a certificate and a clock of its own, that answers as it is told."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

from nectar_admin.authority import Identity, new_authority, new_server
from nectar_admin.doctor.reach import Address

Answer = Callable[[str, str], tuple[int, bytes]]


def everything_refused(method: str, path: str) -> tuple[int, bytes]:
    """Answer as the proxy does to strangers."""
    from nectar_admin.doctor.server import ADMITTED

    return (401, b"") if (method, path) == ("POST", ADMITTED) else (403, b"")


def written(folder: Path, authority: Identity, server: Identity) -> Path:
    """Write what a server and its devices have of their keys."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(authority.certificate_pem)
    (folder / "server.crt").write_bytes(server.certificate_pem)
    (folder / "server.key").write_bytes(server.key_pem)
    return folder


def made(
    folder: Path, *, names: tuple[str, ...] = ("127.0.0.1",), ago: int = 0, days: int = 90
) -> Path:
    """Make an authority and a server's certificate that it signed so many days ago."""
    then = datetime.now(UTC) - timedelta(days=ago)
    authority = new_authority(then)
    return written(folder, authority, new_server(authority, names, then, days))


@contextmanager
def serving(
    keys: Path | None,
    *,
    ahead_s: float = 0.0,
    answer: Answer = everything_refused,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Address]:
    """Serve on loopback, with TLS if there are keys, by a clock that is ahead by seconds."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)

        def answer_it(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answer(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer_it  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # Handshakes that a client breaks off are what is tested.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if keys is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server.crt", keys / "server.key")
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Address("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
