"""On the way to the server: each mistake has its own finding and its own cure."""

import re
import socket
from pathlib import Path

import pytest

from nectar_admin.doctor.finding import Finding, Verdict
from nectar_admin.doctor.reach import Address, reached
from tests.nectar_admin.doctor.fake_server import made, serving


def found(address: Address, authorities: Path | None) -> dict[str, Finding]:
    return {finding.subject: finding for finding in reached(address, authorities)}


def faults(found: dict[str, Finding]) -> list[str]:
    return [subject for subject, own in found.items() if own.verdict is Verdict.FAULT]


def test_a_good_server_is_found_good(tmp_path: Path) -> None:
    keys = made(tmp_path)
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert faults(seen) == []
    assert seen["certificate"].said.startswith("trusted, for ")
    assert list(seen) == ["port", "clock", "certificate"]


def test_a_port_on_which_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        seen = found(Address("127.0.0.1", free.getsockname()[1]), None)
    assert faults(seen) == ["port"]
    assert "nothing listens" in seen["port"].said
    assert len(seen) == 1


def test_a_name_that_is_none() -> None:
    seen = found(Address("server.invalid", 8443), None)
    assert faults(seen) == ["name"]


def test_a_port_that_speaks_no_tls() -> None:
    with serving(None) as address:
        seen = found(address, None)
    assert faults(seen) == ["TLS"]
    assert "is this the proxy's port?" in seen["TLS"].cure


@pytest.mark.parametrize(
    ("server_ahead_s", "said"), [(60.0, None), (400.0, "behind"), (-30.0, "ahead of"), (-3.0, None)]
)
def test_a_clock_that_the_server_would_refuse(
    server_ahead_s: float, said: str | None, tmp_path: Path
) -> None:
    keys = made(tmp_path)
    with serving(keys, ahead_s=server_ahead_s) as address:
        seen = found(address, keys / "ca.crt")
    if said is None:
        assert faults(seen) == []
    else:
        assert faults(seen) == ["clock"]
        assert said in seen["clock"].said
        assert "systemd-timesyncd" in seen["clock"].cure


def test_an_expired_certificate(tmp_path: Path) -> None:
    keys = made(tmp_path, ago=100, days=90)
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert faults(seen) == ["certificate"]
    assert "expired on" in seen["certificate"].said
    assert "renew it on the server" in seen["certificate"].cure


def test_a_certificate_that_is_not_valid_yet(tmp_path: Path) -> None:
    keys = made(tmp_path, ago=-2)
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert "holds only from" in seen["certificate"].said


def test_a_certificate_that_is_soon_to_end_is_noted(tmp_path: Path) -> None:
    keys = made(tmp_path, ago=80, days=90)
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert seen["certificate"].verdict is Verdict.NOTED
    assert re.search(r"for (9|10) days more", seen["certificate"].said)


def test_another_authority_and_none_at_all(tmp_path: Path) -> None:
    keys, other = made(tmp_path / "ours"), made(tmp_path / "theirs")
    with serving(keys) as address:
        for trusted, whom in ((other / "ca.crt", "ca.crt"), (None, "the system's authorities")):
            seen = found(address, trusted)
            assert faults(seen) == ["certificate"]
            assert f"not among {trusted or ''}" in seen["certificate"].said
            assert whom in seen["certificate"].said
            assert "take ca.crt" in seen["certificate"].cure


def test_a_name_that_is_not_in_the_certificate(tmp_path: Path) -> None:
    keys = made(tmp_path, names=("cloud.example.org",))
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert "is for cloud.example.org, not for 127.0.0.1" in seen["certificate"].said
    assert "'--name 127.0.0.1'" in seen["certificate"].cure


def test_certificates_that_are_none(tmp_path: Path) -> None:
    keys = made(tmp_path)
    (tmp_path / "ca.crt").write_text("no certificate")
    with serving(keys) as address:
        seen = found(address, keys / "ca.crt")
    assert "cannot be read as certificates" in seen["certificate"].said
