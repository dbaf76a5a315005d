"""``keys`` as a command: what it makes, tells and refuses."""

from pathlib import Path

import pytest

from nectar_admin.__main__ import main
from tests.nectar_admin.key_folders import HOST


def test_commands_make_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "keys")
    assert main(["keys", "server", folder, "--name", HOST, "--name", "203.0.113.7"]) == 0
    assert (
        "certificate for cloud.example.org, 203.0.113.7, superlink, proxy"
        in capsys.readouterr().out
    )
    assert main(["keys", "node", folder, "pi-0", "pi-1"]) == 0
    assert main(["keys", "node", folder, "pi-1", "pi-2"]) == 0
    told = capsys.readouterr().out
    assert told.count("a new key") == 3
    assert f"{folder}/nodes/pi-1: its key is kept" in told
    # Renewed under the same names.
    assert main(["keys", "server", folder, "--days", "30"]) == 0
    assert "for cloud.example.org, 203.0.113.7, superlink," in capsys.readouterr().out
    assert main(["keys", "show", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("CA      Nectar federation ")
    assert ", 3649 days left, until " in lines[0]
    names = "cloud.example.org, 203.0.113.7, superlink, proxy, localhost, 127.0.0.1"
    assert lines[2].startswith(f"server  {names}, 29 days left, until ")
    assert [line.split()[0] for line in lines[4:]] == ["devices", "pi-0", "pi-1", "pi-2"]
    assert all(len(line.split("SHA-256 ")[1]) == 95 for line in (lines[1], lines[3]))


def test_all_names_are_looked_at_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "node", str(tmp_path / "typo"), "pi-0", "bad name"]) == 2
    assert "device 'bad name': expected a name" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_a_new_authority_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(tmp_path / name) for name in ("keys", "typo")]
    assert main(["keys", "server", folders[0], "--name", HOST]) == 0
    assert f"{folders[0]}: a new CA; " in capsys.readouterr().out
    for folder, count in zip(folders, (0, 1), strict=True):
        assert main(["keys", "node", folder, "pi-0", "pi-1"]) == 0
        assert capsys.readouterr().out.count(f"{folder}: a new CA; ") == count


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "show", str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        f"{tmp_path}/none: expected a folder with ca.crt, found none; make it by:"
    )
    assert told.count("\n") == 1


def test_a_home_that_no_shell_has_seen_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "server", "~/keys", "--name", HOST]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    with pytest.raises(SystemExit):
        main(["keys", "server", "~no-such-user/keys", "--name", HOST])
    assert "~no-such-user/keys: expected a path, and there is no" in capsys.readouterr().err
