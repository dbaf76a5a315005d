"""The SuperLink's Control API: which nodes there are, and who may be one.

Spoken by the client of Flower's own command line. It has no file with connections to write, and
tells the public key of each node, which the command line leaves out.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, final

import httpx
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    RegisterNodeRequest,
    UnregisterNodeRequest,
)
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from nectar_admin.errors import AdminError, RefusedError, UnreachableError
from nectar_admin.names import require_address

ONLINE: Final = "online"
OFFLINE: Final = "offline"
UNREGISTERED: Final = "unregistered"


@final
@dataclass(frozen=True)
class Node:
    """A node that the SuperLink knows.

    Attributes
    ----------
    node_id : int
        The SuperLink's number for it.
    public_key : bytes
        Its public key in PEM; empty for a node without one.
    status : str
        ``"registered"`` until it first comes, then ``"online"`` or ``"offline"``, and
        ``"unregistered"`` once it was removed.
    since : datetime | None
        Since when that is so, where it was told.
    """

    node_id: int
    public_key: bytes
    status: str
    since: datetime | None


class Admission(Protocol):
    """Who may be a node of a SuperLink; as ``Control`` asks one."""

    def nodes(self) -> list[Node]:
        """Return all nodes, those that were removed too."""

    def register(self, public_key: bytes) -> int | None:
        """Let a node in; return its number, or ``None`` if its key was registered before."""

    def unregister(self, node_id: int) -> None:
        """Let a node in no more; its key is void from then on."""


@final
class Control:
    """The Control API of one SuperLink, as a context.

    Parameters
    ----------
    address : str
        Its host and port.
    authority : Path
        Certificate of the authority that signed the SuperLink's.

    Raises
    ------
    AdminError
        If that certificate cannot be read, or the address is none.
    """

    def __init__(self, address: str, authority: Path) -> None:
        require_address(address, "--superlink")
        self._address = address
        self._authority = authority
        try:
            self._client = ControlHttpClient.from_server_address(
                address,
                insecure=False,
                root_certificates=authority.read_bytes(),
                interceptors=[RuntimeVersionHttpInterceptor(component_name="nectar_admin")],
            )
        except (OSError, UnicodeDecodeError) as error:
            raise AdminError(
                f"{authority}: expected the certificate of the CA that signed the SuperLink's, "
                f"got {getattr(error, 'strerror', None) or error}"
            ) from None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def nodes(self) -> list[Node]:
        """Return all nodes, those that were removed too.

        Raises
        ------
        AdminError
            If the SuperLink does not tell.
        """
        with self._told():
            answer = self._client.ListNodes(ListNodesRequest())
        return [_node(info) for info in answer.nodes_info]

    def register(self, public_key: bytes) -> int | None:
        """Let a node in; return its number, or ``None`` if its key was registered before.

        Raises
        ------
        AdminError
            If the SuperLink refuses.
        """
        try:
            with self._told():
                answer = self._client.RegisterNode(RegisterNodeRequest(public_key=public_key))
        except RefusedError as error:
            if error.code == ApiErrorCode.PUBLIC_KEY_ALREADY_IN_USE:
                return None
            raise
        return int(answer.node_id)

    def unregister(self, node_id: int) -> None:
        """Let a node in no more; its key is void from then on.

        Raises
        ------
        AdminError
            If the SuperLink refuses.
        """
        with self._told():
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what an error is about."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            refusal = FlowerError.from_json(error.response.text)
            if refusal is None:
                raise AdminError(
                    f"{self._address}: expected the answer of a SuperLink, got status "
                    f"{error.response.status_code}; is --superlink the SuperLink itself, and not "
                    f"the proxy before it?"
                ) from None
            raise RefusedError(
                f"{self._address}: the SuperLink refused: [code: {refusal.code}] {refusal.message}",
                refusal.code,
            ) from None
        except httpx.TransportError as error:
            raise self._not_reached(error) from None

    def _not_reached(self, error: httpx.TransportError) -> AdminError:
        cause = _cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AdminError(
                f"{self._address}: the SuperLink's certificate was refused: "
                f"{cause.verify_message.rstrip('.')}. It is compared with {self._authority}; "
                f"{_remedy(cause.verify_code)}"
            )
        if isinstance(cause, ssl.SSLError):
            return AdminError(
                f"{self._address}: expected a SuperLink with TLS, got {cause.reason or cause}; "
                f"start it with --ssl-certfile, --ssl-keyfile and --ssl-ca-certfile"
            )
        return UnreachableError(
            f"{self._address}: no SuperLink answers ({error}); is it running, and is --superlink "
            f"its host and port? --wait SECONDS waits for it"
        )


# OpenSSL's numbers, X509_V_ERR_...
_EXPIRED: Final = 10
_OTHER_NAME: Final = (62, 64)


def _remedy(code: int) -> str:
    if code == _EXPIRED:
        return "renew it by: keys server FOLDER, and restart the SuperLink"
    if code in _OTHER_NAME:
        return (
            "dial one of its names, which keys show tells, or add one by: keys server FOLDER "
            "--name HOST"
        )
    return "give the ca.crt that it was made with, by --ca"


def _cause(error: BaseException) -> BaseException:
    """Return the error of TLS behind one of httpx, or else what it was first."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ssl.SSLError):
        error, inner = inner, inner.__cause__ or inner.__context__
    return inner or error


def _node(info: NodeInfo) -> Node:
    since = {
        ONLINE: info.last_activated_at,
        OFFLINE: info.last_deactivated_at,
        UNREGISTERED: info.unregistered_at,
    }.get(info.status, info.registered_at)
    when = datetime.fromisoformat(since) if since else None
    return Node(info.node_id, info.public_key, info.status, when)
