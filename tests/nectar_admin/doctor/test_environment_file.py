"""Files of settings: what systemd would give to the services is what is looked at."""

from pathlib import Path

import pytest

from nectar_admin.doctor.environment_file import read
from nectar_admin.errors import AdminError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=host:8443", "host:8443"),
        ('A="host:8443"', "host:8443"),
        ("A='host:8443'  ", "host:8443"),
        ("  A = host:8443", "host:8443"),
        ('A=partition-id=0 data="folder:/a b"', 'partition-id=0 data="folder:/a b"'),
        ("A='data=\"folder:/a b\"'", 'data="folder:/a b"'),
        (r'A="data=\"folder:/a\""', 'data="folder:/a"'),
        (r'A="C:\a"', r"C:\a"),
        (r"A=a\ b", "a b"),
        ("A=one \\\ntwo", "one two"),
        ("A=1\r\nA=2\r\n", "2"),
        ("# A=1\n; A=2\nA=3\nnothing\n", "3"),
        ("A=", ""),
    ],
)
def test_values_are_those_that_systemd_reads(line: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "device.env"
    file.write_bytes(line.encode())
    assert read(file) == {"A": value}


def test_a_file_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "device.env"
    file.write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(
        AdminError, match=r"device\.env: expected text in UTF-8, got byte 0xff in line 2"
    ):
        read(file)
