"""Whether the server knows a device's key, and whether a device's two programs know each other."""

from importlib.metadata import version
from pathlib import Path
from typing import Final, final

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.interceptors.http.superexec_auth import SuperExecAuthHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import (
    ProtobufCall,
    ProtobufClientInterceptor,
    ProtobufRequestContext,
)
from flwr.supercore.runtime.runtime_http_client import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from nectar_admin.doctor.finding import Finding, fault, good, noted
from nectar_admin.doctor.reach import Address

# Where a SuperNode listens for its SuperExec.
RUNTIME: Final = Address("127.0.0.1", 9094)
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
# No heartbeat is so slow: a server that knows the key refuses this and changes nothing, one that
# does not know it says so first.
_NO_HEARTBEAT = -1.0
_UNAUTHORISED = 401
_FORBIDDEN = 403


@final
class _Version:
    """Keeps what the server says of this version of Flower."""

    def __init__(self) -> None:
        self.said = ""

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Pass a request on."""
        response = call_next(context)
        self.said = response.headers.get(VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY, "")
        return response


def known(address: Address, authorities: Path | None, key: Path) -> list[Finding]:
    """Ask the server whether it knows a device's key; nothing changes there.

    Parameters
    ----------
    address : Address
        The server's proxy, which has been reached and is trusted.
    authorities : Path | None
        Certificates to trust; ``None`` for those of the system.
    key : Path
        ``node.key`` of the device.
    """
    try:
        private = load_ssh_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        return [_bad_key(key, str(error))]
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        return [_bad_key(key, "it is no key of an elliptic curve of NIST")]
    told = _Version()
    public = private.public_key()
    interceptors: list[ProtobufClientInterceptor] = [
        told,
        RuntimeVersionHttpInterceptor(component_name="SuperNode"),
        NodeAuthHttpInterceptor(private, public),
    ]
    request = ActivateNodeRequest(
        public_key=public_key_to_bytes(public), heartbeat_interval=_NO_HEARTBEAT
    )
    trusted = None if authorities is None else authorities.read_bytes()
    with FleetHttpClient.from_server_address(str(address), False, trusted, interceptors) as client:
        try:
            client.ActivateNode(request)
        except httpx.HTTPStatusError as error:
            found = _key(error.response, key)
        except (httpx.HTTPError, RuntimeError) as error:
            found = noted("key", f"the server could not be asked ({error})", "try again")
        else:
            found = good("key", "the server knows it")
    return [found, _version(told.said)]


def _key(response: httpx.Response, key: Path) -> Finding:
    error = FlowerError.from_json(response.text)
    code = error.code if error is not None else None
    if code == ApiErrorCode.FLEET_INVALID_HEARTBEAT_INTERVAL:
        return good("key", "the server knows it")
    if code == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED:
        if any(key.with_name(name).is_file() for name in ("node.id", "node.removed")):
            return fault(
                "key",
                "the server does not know it any more: this device was removed, and a key that "
                "was removed is void for ever",
                "make a new one under a new name ('python -m nectar_admin keys node'), register "
                "it ('devices add'), copy it here",
            )
        return fault(
            "key",
            "the server does not know it: it was never registered, or has been removed",
            "on the server: 'python -m nectar_admin devices add'; if that says that the key is "
            "void, make a new one under a new name",
        )
    if response.status_code == _UNAUTHORISED:
        return fault(
            "key",
            "the server does not accept its signature",
            "is this machine's clock right? otherwise make a new key under a new name",
        )
    if response.status_code == _FORBIDDEN:
        return fault(
            "key",
            "the proxy does not let nodes in",
            "on the server: 'python -m nectar_admin doctor server'",
        )
    return noted("key", f"the server could not be asked (HTTP {response.status_code})", "try again")


def _version(said: str) -> Finding:
    here = version("flwr")
    if said:
        return fault(
            "flwr",
            f"{here} here; the server says: {said}",
            "install the server's version on this device, with the server's constraints.txt",
        )
    return good("flwr", f"{here}; the server has nothing against it")


def _bad_key(key: Path, why: str) -> Finding:
    return fault(
        "key",
        f"{key} cannot be read as a node's key ({why})",
        "take node.key from the folder that 'python -m nectar_admin keys node' made for this "
        "device; it must be readable by whoever runs this",
    )


def secret(file: Path, runtime: Address = RUNTIME) -> Finding:
    """Ask the SuperNode on this machine whether it has the same secret; no work is taken.

    Parameters
    ----------
    file : Path
        ``superexec.secret`` of the device.
    runtime : Address
        Where the SuperNode listens for its SuperExec.
    """
    try:
        held = file.read_bytes()
    except OSError as error:
        return fault(
            "secret",
            f"{file} cannot be read ({error.strerror})",
            "copy it from the folder of keys of this device, for the user that runs its services",
        )
    signing = SuperExecAuthHttpInterceptor(master_secret=held, protected_methods={_ACQUIRE})
    with RuntimeHttpClient.from_server_address(str(runtime), True, None, [signing]) as client:
        try:
            # Who can do nothing is given nothing to do.
            client.AcquireTask(AcquireTaskRequest())
        except httpx.HTTPStatusError as error:
            if error.response.status_code == _UNAUTHORISED:
                return fault(
                    "secret",
                    "the SuperNode on this machine was started with another one, so no message is "
                    "ever worked on",
                    "one device, one secret: give both programs the same superexec.secret, and "
                    "restart both",
                )
            return noted("secret", f"the SuperNode answers with HTTP {error.response.status_code}")
        except httpx.HTTPError:
            return noted(
                "secret",
                "not compared, since no SuperNode runs on this machine",
                "start the services, then look again",
            )
    return good("secret", "the SuperNode on this machine has the same")
