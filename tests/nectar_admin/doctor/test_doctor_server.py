"""On the server: a hub that can be seen, and a proxy that lets too much through, or too little."""

from pathlib import Path

import pytest

from nectar_admin.doctor.finding import Verdict
from nectar_admin.doctor.reach import Address
from nectar_admin.doctor.server import ADMITTED, hidden, refuses
from tests.nectar_admin.doctor.fake_server import Answer, everything_refused, made, serving

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
_LOOPBACK, _ANYWHERE = "0100007F", "00000000"
_ANYWHERE_6 = "0" * 32


def table(folder: Path, tcp: str = "", tcp6: str = "") -> Path:
    """Write the kernel's tables of sockets."""
    for name, address in (("tcp", tcp), ("tcp6", tcp6)):
        row = (
            f"   0: {address}:1F40 00000000:0000 0A 00000000:00000000 00:0 0 0\n" if address else ""
        )
        (folder / name).write_text(_HEAD + row)
    return folder


@pytest.mark.parametrize(
    ("tcp", "tcp6", "verdict"),
    [
        (_LOOPBACK, "", Verdict.GOOD),
        (_ANYWHERE, "", Verdict.FAULT),
        ("", _ANYWHERE_6, Verdict.FAULT),
        (_LOOPBACK, _ANYWHERE_6, Verdict.FAULT),
        ("", "", Verdict.FAULT),
    ],
)
def test_the_hub_must_listen_on_loopback_alone(
    tcp: str, tcp6: str, verdict: Verdict, tmp_path: Path
) -> None:
    seen = hidden(Address("127.0.0.1", 8000), table(tmp_path, tcp, tcp6))
    assert seen.verdict is verdict
    if tcp or tcp6:
        assert ("whoever reaches it can run any code" in seen.said) is (verdict is Verdict.FAULT)
    else:
        assert "nothing listens" in seen.said


def but(method: str, path: str, status: int) -> Answer:
    """Answer like a good proxy but for one request."""

    def answer(asked: str, at: str) -> tuple[int, bytes]:
        return (status, b"") if (asked, at) == (method, path) else everything_refused(asked, at)

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (everything_refused, ""),
        (but("POST", "/v1/control/start-run", 400), "POST /v1/control/start-run (HTTP 400)"),
        (but("GET", "/health", 200), "GET /health (HTTP 200)"),
        (but("POST", ADMITTED, 502), "cannot reach the hub (HTTP 502)"),
        (but("POST", ADMITTED, 403), "gets HTTP 403, expected 401"),
    ],
)
def test_the_proxy_lets_nodes_through_and_nothing_else(
    answer: Answer, said: str, tmp_path: Path
) -> None:
    with serving(made(tmp_path), answer=answer) as address:
        seen = list(refuses(address))
    faults = [finding.said for finding in seen if finding.verdict is Verdict.FAULT]
    assert len(seen) == 2
    assert [said in fault for fault in faults] == ([True] if said else [])
