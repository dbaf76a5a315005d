"""How far a device gets towards its server: name, port, TLS, clock, certificate."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import final

from cryptography import x509

from nectar_admin.authority import names_of
from nectar_admin.doctor.finding import Finding, fault, good, noted

_PATIENCE_S = 10.0
# A SuperLink takes signatures that were made at most so long before or after its own time.
LATEST_S = 5.0
OLDEST_S = 305.0
# A certificate is renewed at 60 of its 90 days.
_FEW_DAYS = 30

# Of OpenSSL's X509_V_ERR_*.
_NOT_YET_VALID = 9
_EXPIRED = 10
_UNKNOWN_ISSUER = frozenset((18, 19, 20, 21))
_OTHER_NAME = frozenset((62, 64))


@final
@dataclass(frozen=True)
class Address:
    """Where a server is to be reached.

    Attributes
    ----------
    host : str
        Name or IP address.
    port : int
        Of its proxy.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as options name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@final
@dataclass(frozen=True)
class Met:
    """What a server shows to whoever connects, nothing of it verified.

    Attributes
    ----------
    certificate : x509.Certificate
        That it presents.
    said_at : datetime | None
        Its time, if it tells.
    seen_at : datetime
        This machine's time then.
    """

    certificate: x509.Certificate
    said_at: datetime | None
    seen_at: datetime

    @property
    def ahead_s(self) -> float:
        """Seconds by which this machine's clock is ahead of the server's; 0 if not told."""
        return (self.seen_at - self.said_at).total_seconds() if self.said_at else 0.0


def reached(address: Address, authorities: Path | None) -> Iterator[Finding]:
    """Look at everything up to the point where a server asks who is calling.

    Nothing further is looked at once there is a fault that stands in its way.

    Parameters
    ----------
    address : Address
        The server's proxy.
    authorities : Path | None
        Certificates to trust; ``None`` for those of the system.
    """
    refused = port_fault(address)
    if refused is not None:
        yield refused
        return
    yield good("port", f"{address} answers")
    try:
        met = meet(address)
    except (OSError, HTTPException) as error:
        yield fault(
            "TLS",
            f"{address} does not speak TLS ({error})",
            "is this the proxy's port? 8443 unless it was changed; the SuperLink's own, 8000, "
            "must not be reached",
        )
        return
    yield clock(met)
    yield certificate(address, authorities, met)


def port_fault(address: Address) -> Finding | None:
    """Return why nothing answers there, or ``None``."""
    try:
        socket.create_connection((address.host, address.port), _PATIENCE_S).close()
    except socket.gaierror as error:
        return fault(
            "name",
            f"no address is known for {address.host} ({error.strerror})",
            "is the name right? try 'getent hosts NAME'; without a name server use the server's "
            "IP address, which must stand in its certificate",
        )
    except ConnectionRefusedError:
        return fault(
            "port",
            f"{address.host} is there, but nothing listens on port {address.port}",
            "is the port right, and is the proxy running on the server? (python -m nectar_admin "
            "doctor server says so there)",
        )
    except OSError as error:
        return fault(
            "port",
            f"{address} does not answer within {_PATIENCE_S:.0f} s ({error})",
            "does a firewall stand between? the server needs one open TCP port, the device none",
        )
    return None


def meet(address: Address) -> Met:
    """Take a look at a server without trusting it.

    Raises
    ------
    OSError
        If there is no TLS.
    HTTPException
        If what speaks there is no HTTP.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is only looked at: what is found decides which of the verified connections must fail.
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection(address.host, address.port, timeout=_PATIENCE_S, context=trusting)
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        connection.request("GET", "/")
        answer = connection.getresponse()
        seen_at = datetime.now(UTC)
        answer.read()
    finally:
        connection.close()
    return Met(
        x509.load_der_x509_certificate(bytes(shown or b"")),
        _date(answer.getheader("Date")),
        seen_at,
    )


def clock(met: Met) -> Finding:
    """Compare clocks: signatures and certificates are refused where they differ."""
    if met.said_at is None:
        return noted("clock", "the server does not tell its time, so the clock was not compared")
    ahead = met.ahead_s
    # The server's time has no fractions.
    if -OLDEST_S < ahead < LATEST_S + 1:
        return good("clock", f"within {max(1, abs(round(ahead)))} s of the server's")
    way = "ahead of" if ahead > 0 else "behind"
    return fault(
        "clock",
        f"{abs(ahead):.0f} s {way} the server's, which refuses more than {LATEST_S:.0f} s ahead "
        f"or {OLDEST_S:.0f} s behind",
        "set it: systemctl enable --now systemd-timesyncd (or chrony); a board without a battery "
        "starts with a wrong clock, so let it wait for time-sync.target",
    )


def certificate(address: Address, authorities: Path | None, met: Met) -> Finding:
    """Verify a server's certificate as a SuperNode would."""
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        return fault(
            "certificate",
            f"{authorities} cannot be read as certificates ({error})",
            "copy ca.crt from the folder that 'python -m nectar_admin keys node' made for this "
            "device",
        )
    try:
        with (
            socket.create_connection((address.host, address.port), _PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=address.host),
        ):
            pass
    except ssl.SSLCertVerificationError as error:
        return _distrusted(error, address, authorities, met)
    except OSError as error:
        return fault(
            "certificate", f"the TLS handshake failed ({error})", "look into the proxy's log"
        )
    days = (met.certificate.not_valid_after_utc - (met.said_at or met.seen_at)).days
    if days < _FEW_DAYS:
        return noted(
            "certificate",
            f"trusted, but for {days} days more only",
            "renew it on the server ('python -m nectar_admin keys server', then reload the proxy) "
            "before that: nodes that reconnect to an expired one are lost",
        )
    return good("certificate", f"trusted, for {days} days more")


def _distrusted(
    error: ssl.SSLCertVerificationError, address: Address, authorities: Path | None, met: Met
) -> Finding:
    until = met.certificate.not_valid_after_utc
    if error.verify_code == _EXPIRED:
        return fault(
            "certificate",
            f"the server's certificate expired on {until:%Y-%m-%d %H:%M} UTC",
            "renew it on the server: 'python -m nectar_admin keys server FOLDER --name ...', copy "
            "server.crt and server.key to the proxy and the SuperLink, restart both",
        )
    if error.verify_code == _NOT_YET_VALID:
        since = met.certificate.not_valid_before_utc
        return fault(
            "certificate",
            "by this machine's clock the server's certificate holds only from "
            f"{since:%Y-%m-%d %H:%M} UTC on",
            "set this machine's clock",
        )
    if error.verify_code in _OTHER_NAME:
        return fault(
            "certificate",
            f"the server's certificate is for {', '.join(names_of(met.certificate))}, not for "
            f"{address.host}",
            f"use one of those names, or renew the certificate with '--name {address.host}'",
        )
    if error.verify_code in _UNKNOWN_ISSUER:
        whom = "the system's authorities" if authorities is None else str(authorities)
        issuer = met.certificate.issuer.rfc4514_string()
        return fault(
            "certificate",
            f"the server's certificate is signed by {issuer}, which is not among {whom}",
            "take ca.crt from the folder of keys from which the server's certificate was made; a "
            "new authority needs its ca.crt on every device",
        )
    return fault(
        "certificate", f"not trusted: {error.verify_message}", "look at it: openssl s_client"
    )


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
