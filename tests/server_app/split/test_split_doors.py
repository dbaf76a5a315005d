"""Tokens, certificates and addresses: what stands at the door of a session."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from server_app.split.address import read_address
from server_app.split.certificate import read_files, self_signed
from server_app.split.refusals import Reason, RefusalError, Refusals
from server_app.split.tickets import Tickets
from strategies.common.errors import SettingsError
from tests.server_app.split.toy_session import split_settings

# Tokens


def test_each_node_has_a_token_of_its_own_and_every_session_others() -> None:
    tickets, others = Tickets([3, 5], 10.0), Tickets([3, 5], 10.0)
    assert tickets.check(tickets.token(3)) == 3
    assert tickets.check(tickets.token(5)) == 5
    assert len({tickets.token(3), tickets.token(5), others.token(3), others.token(5)}) == 4
    assert len(tickets.token(3)) == 32


@pytest.mark.parametrize("token", [None, b"", b"x" * 32, "other"])
def test_other_tokens_are_refused(token: object) -> None:
    tickets = Tickets([3], 10.0)
    shown = Tickets([3], 10.0).token(3) if token == "other" else token
    with pytest.raises(RefusalError, match="expected this session's token") as refused:
        tickets.check(shown)  # type: ignore[arg-type]
    assert refused.value.reason is Reason.TOKEN


def test_tokens_expire_and_are_revoked() -> None:
    now = [100.0]
    tickets = Tickets([3], 10.0, lambda: now[0])
    token = tickets.token(3)
    now[0] = 110.0
    assert tickets.check(token) == 3
    now[0] = 110.1
    with pytest.raises(RefusalError, match="the token's time is over") as refused:
        tickets.check(token)
    assert refused.value.reason is Reason.EXPIRED
    tickets.revoke()
    with pytest.raises(RefusalError, match="expected this session's token"):
        tickets.check(token)


# Certificates


def test_a_session_certificate_names_its_hosts_and_lasts_about_as_long() -> None:
    made = self_signed(["10.1.2.3", "::1", "split.example", "split.example"], 600.0)
    found = x509.load_pem_x509_certificate(made.certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.1.2.3"), ip_address("::1")]
    assert names.get_values_for_type(x509.DNSName) == ["split.example"]
    now = datetime.now(UTC)
    assert timedelta(minutes=59) < now - found.not_valid_before_utc < timedelta(minutes=61)
    assert timedelta(minutes=69) < found.not_valid_after_utc - now < timedelta(minutes=71)
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_a_session_that_could_last_for_ever_gets_a_certificate_for_a_year() -> None:
    made = x509.load_pem_x509_certificate(self_signed(["split.example"], 1e300).certificate)
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 365


def test_no_two_sessions_share_a_key_and_no_key_is_shown() -> None:
    first, second = self_signed(["a"], 1.0), self_signed(["a"], 1.0)
    assert first.key != second.key
    assert "PRIVATE" not in repr(first)


def test_certificates_are_of_one_length_whatever_their_signatures() -> None:
    lengths = {len(self_signed(["127.0.0.1"], 60.0).certificate) for _ in range(40)}
    assert lengths == {1024}


def test_an_operators_files_are_read(tmp_path: Path) -> None:
    made, other = self_signed(["a"], 1.0), self_signed(["a"], 1.0)
    paths = {name: str(tmp_path / name) for name in ("cert", "key", "other", "text")}
    for name, content in zip(paths, (made.certificate, made.key, other.key, b"no"), strict=True):
        (tmp_path / name).write_bytes(content)
    assert read_files(paths["cert"], paths["key"]) == made
    for certificate, key, message in [
        ("cert", "other", "setting split.key: expected the private key of"),
        ("text", "key", "setting split.certificate and split.key: expected PEM files"),
        ("cert", "text", "setting split.certificate and split.key: expected PEM files"),
    ]:
        with pytest.raises(SettingsError, match=message):
            read_files(paths[certificate], paths[key])
    with pytest.raises(SettingsError, match=r"split\.certificate: expected a readable PEM file"):
        read_files(str(tmp_path / "none"), paths["key"])
    with pytest.raises(SettingsError, match=r"setting split\.key: expected a PEM file"):
        read_files(paths["cert"], "")
    with pytest.raises(SettingsError, match=r"setting split\.certificate: expected a PEM file"):
        read_files("", paths["key"])


# Addresses


@pytest.mark.parametrize(
    ("host", "port", "advertise", "bind", "dialled"),
    [
        ("127.0.0.1", 0, "", "127.0.0.1:0", "127.0.0.1:9999"),
        ("0.0.0.0", 700, "split.example", "0.0.0.0:700", "split.example:9999"),
        ("0.0.0.0", 700, "split.example:80", "0.0.0.0:700", "split.example:80"),
        ("::", 700, "[2001:db8::1]:80", "[::]:700", "[2001:db8::1]:80"),
        ("[::1]", 0, "", "[::1]:0", "[::1]:9999"),
        ("::1", 0, "2001:db8::1", "[::1]:0", "[2001:db8::1]:9999"),
    ],
)
def test_devices_dial_what_is_advertised_or_where_the_server_listens(
    host: str, port: int, advertise: str, bind: str, dialled: str
) -> None:
    address = read_address(split_settings(host=host, port=port, advertise=advertise))
    assert address.bind == bind
    assert address.dialled(9999) == dialled


@pytest.mark.parametrize("advertise", ["host:0", "host:x", ":80", "host:70000", "a/b", "u@h:1"])
def test_what_cannot_be_dialled_is_refused(advertise: str) -> None:
    with pytest.raises(SettingsError, match=r"split\.advertise: expected host or host:port"):
        read_address(split_settings(advertise=advertise))


@pytest.mark.parametrize(("host", "advertise"), [("0.0.0.0", ""), ("::", ""), ("a", "0.0.0.0")])
def test_all_addresses_at_once_cannot_be_dialled(host: str, advertise: str) -> None:
    with pytest.raises(SettingsError, match="expected the name or address that devices dial"):
        read_address(split_settings(host=host, advertise=advertise))


# Refusals


def test_refusals_are_counted_by_node_and_kind_and_those_of_nobodys_fault_are_not() -> None:
    refusals = Refusals()
    for node, reason in [
        (2, Reason.FORM),
        (None, Reason.TOKEN),
        (2, Reason.FORM),
        (2, Reason.ORDER),
        (1, Reason.FORM),
        (1, Reason.REPLACED),
        (1, Reason.OVER),
    ]:
        refusals.note(node, reason, f"text of {node}")
    assert refusals.notes() == (
        "someone unknown was refused 1 times for a missing or unknown token; at first: text of "
        "None",
        "node 1 was refused 1 times for frames that break their schema; at first: text of 1",
        "node 2 was refused 2 times for frames that break their schema; at first: text of 2",
        "node 2 was refused 1 times for frames out of order; at first: text of 2",
    )
    # Of node 2 its failure tells.
    assert [note[:6] for note in refusals.notes({2})] == ["someon", "node 1"]


def test_a_stream_that_broke_is_no_refusal_of_what_was_sent() -> None:
    refusals = Refusals()
    refusals.note(1, Reason.BROKEN, "it may come back")
    refusals.note(2, Reason.FORM, "a number too large")
    assert [refusals.turned_away(node) for node in (0, 1, 2)] == [False, False, True]
