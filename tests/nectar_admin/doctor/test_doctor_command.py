"""The command: where it reads what to look at, its exit status, and what it prints."""

import argparse
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from nectar_admin.__main__ import main
from nectar_admin.arguments import read
from nectar_admin.doctor import command
from nectar_admin.doctor.command import address, told
from nectar_admin.doctor.data import readable
from nectar_admin.doctor.finding import Finding, Verdict, fault, good, noted, tell
from nectar_admin.doctor.reach import Address
from nectar_admin.errors import AdminError

ROOT = Path(__file__).parents[3]


def printed(findings: list[Finding]) -> tuple[int, str]:
    out = StringIO()
    return tell(findings, Console(file=out, soft_wrap=True)), out.getvalue()


def test_a_fault_decides_the_exit_status_and_its_cure_is_printed() -> None:
    status, text = printed([good("a", "fine"), noted("b", "hm", "wait"), fault("c", "no", "do")])
    assert status == 1
    assert text.splitlines()[-1] == "1 fault found; mend the first one first"
    assert [line.split() for line in text.splitlines()[:5]] == [
        ["ok", "a:", "fine"],
        ["note", "b:", "hm"],
        ["wait"],
        ["FAULT", "c:", "no"],
        ["do"],
    ]
    assert printed([good("a", "fine"), noted("b", "[bold]")]) == (
        0,
        printed([good("a", "fine")])[1].replace("no faults", "note   b: [bold]\nno faults"),
    )


def test_what_a_stranger_made_up_paints_on_no_terminal() -> None:
    _, text = printed([fault("certificate", "of \x1b[2J\u202eevil", "do\rnot")])
    assert "of \\x1b[2J\\u202eevil" in text
    assert "do\\rnot" in text


def options(*words: str) -> argparse.Namespace:
    return read(["doctor", *words])


def test_a_device_is_told_by_its_settings_file_or_by_options(tmp_path: Path) -> None:
    file = tmp_path / "device.env"
    file.write_text('# who\nSUPERLINK=a.example:8443\nNODE_CONFIG=partition-id=0 data="digits"\n')
    device = told(options("device", "--settings", str(file)))
    assert device.server == Address("a.example", 8443)
    assert device.node_config == 'partition-id=0 data="digits"'
    device = told(options("device", "--settings", str(file), "--superlink", "b.example:1"))
    assert device.server == Address("b.example", 1)


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "host:",
        ":1",
        "host:port",
        "host:0",
        "host:70000",
        "[::1:1",
        "a\x1b:1",
        "a b:1",
        "a:\u00b2",
    ],
)
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(AdminError, match=r"expected HOST:PORT, such as .*, got"):
        address(text, "--proxy")


def test_an_address_of_ipv6_is_written_as_it_is_dialled() -> None:
    assert str(address("[::1]:8443", "--proxy")) == "[::1]:8443"


def test_wrong_commands_say_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "device", "--settings", str(tmp_path / "none")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert main(["doctor", "server", "--proxy", "here"]) == 2
    assert "expected HOST:PORT" in capsys.readouterr().err


def test_a_node_config_that_cannot_be_read_is_a_fault() -> None:
    found = command._config("data=folder:/a b")
    assert isinstance(found, Finding)
    assert (found.verdict, "quotes around texts" in found.cure) == (Verdict.FAULT, True)
    assert command._config('a=1 data="folder:/a b"') == {"a": 1, "data": "folder:/a b"}


@pytest.mark.thorough
def test_data_are_looked_at_by_the_app(tmp_path: Path) -> None:
    spec = f"folder:{tmp_path / 'none'}"
    found = readable(spec, "partition-id=0 num-partitions=1", ROOT)
    assert (found.verdict, str(tmp_path / "none") in found.said) == (Verdict.FAULT, True)
    assert readable(spec, "", tmp_path).verdict is Verdict.NOTED
