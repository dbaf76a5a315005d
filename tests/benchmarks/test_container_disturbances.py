"""What is done to the lab, without an engine: programs found and killed, containers like others."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchmarks.containers import disturbances
from benchmarks.containers.disturbances import ADDED, NODES, PROGRAMS, Disturbances
from benchmarks.containers.failure import CheckError
from benchmarks.containers.twins import Twins
from local_federation.containers import FILE, Lab

COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]


def told(service: str) -> dict[str, Any]:
    """Return what an engine says of a service's container, as far as it is read."""
    mounts = [volume.split(":") for volume in COMPOSE[service]["volumes"]]
    return {
        "Config": {
            "Image": COMPOSE[service]["image"],
            # As the shell of a container gets it.
            "Cmd": [word.replace("$$", "$") for word in COMPOSE[service].get("command", [])],
        },
        "NetworkSettings": {
            "Networks": {
                f"nectar_{n}": {"IPAddress": "10.0.0.2"} for n in COMPOSE[service]["networks"]
            }
        },
        "Mounts": [
            *(
                {"Type": "volume", "Name": name, "Destination": place, "RW": not more}
                for name, place, *more in mounts
            ),
            {"Type": "bind", "Source": "/proc", "Destination": "/elsewhere", "RW": False},
        ],
    }


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an engine there whose containers are those of compose.yml; return what it was asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for service in COMPOSE:
        (tmp_path / f"{service}.json").write_text(json.dumps([told(service)]))
    engine = tmp_path / "podman"
    engine.write_text(
        f"""#!{sys.executable} -IS
import json, pathlib, sys
words = sys.argv[1:]
folder = pathlib.Path({str(tmp_path)!r})
if words[:2] == ["container", "ls"]:
    print(words[-1].rpartition("=")[2])
elif words[:2] == ["container", "inspect"]:
    print((folder / (words[2] + ".json")).read_text())
else:
    with (folder / "log").open("a") as file:
        print(json.dumps(words), file=file)
    sys.exit(words[0] == "rm")
"""
    )
    engine.chmod(0o755)
    return tmp_path / "log"


def asked(log: Path) -> list[list[str]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def disturbing() -> tuple[Disturbances, Twins]:
    lab = Lab(("podman-compose",))
    twins = Twins(lab)
    return Disturbances(lab, twins, Console(quiet=True)), twins


def test_what_is_killed_is_what_the_service_starts() -> None:
    words = {name: " ".join(COMPOSE[name].get("command", [])) for name in PROGRAMS}
    for name, program in PROGRAMS.items():
        # The proxy's command is its image's.
        assert name == "proxy" or program in words[name]


def test_a_program_is_found_by_its_name_and_killed(tmp_path: Path) -> None:
    script = tmp_path / "nectar-test-victim"
    script.write_text("import time; print(flush=True); time.sleep(60)")
    command = [sys.executable, "-c", disturbances._KILL, script.name]
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as victim:
        try:
            assert victim.stdout is not None
            victim.stdout.readline()
            subprocess.run(command, check=True, timeout=30)
            assert victim.wait(30) == -signal.SIGKILL
        finally:
            victim.kill()
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "there is no nectar-test-victim\n"


def test_a_twin_can_do_as_little_as_the_lab_s_own_containers(log: Path) -> None:
    _, twins = disturbing()
    twins.start("node-2", "node-2", environment={"NODE": "node-2"}, hosts={"proxy": "10.0.0.9"})
    (words,) = asked(log)
    own = COMPOSE["node-2"]
    image = words.index("nectar-device")
    assert words[image + 1 :] == told("node-2")["Config"]["Cmd"]
    options = " ".join(words[:image])
    assert own["cap_drop"] == ["ALL"]
    for expected in (
        *("--read-only", "--cap-drop ALL", f"--security-opt {own['security_opt'][0]}", "--init"),
        *("--restart always", "-v keys:/keys:ro", "--network nectar_outside"),
        *("--network-alias node-2", "--add-host proxy:10.0.0.9", "-e NODE=node-2"),
        "--label com.docker.compose.service=node-2",
    ):
        assert expected in options
    assert "/elsewhere" not in options
    twins.remove_all()
    assert asked(log)[1:] == [["container", "rm", "-f", "nectar-twin-node-2"]]
    twins.remove_all()
    assert len(asked(log)) == 2


def test_a_node_that_is_added_has_its_own_key_state_and_images(log: Path) -> None:
    happen, _ = disturbing()
    happen.add_node()
    keys, volume, superexec, images, admitted, node = asked(log)
    assert keys[-3:] == ["node", "/keys", ADDED]
    assert "--rm" in keys
    # It is labelled, so that it goes with the lab.
    assert volume[-2:] == ["com.docker.compose.project=nectar", f"nectar_{ADDED}-superexec"]
    assert f"-v nectar_{ADDED}-superexec:/var/lib/nectar" in " ".join(superexec)
    assert [word for word in superexec if word.startswith("state-")] == []
    assert images[:3] == ["exec", "-i", f"{ADDED}-superexec"]
    assert admitted[admitted.index("add") :][:3] == ["add", "/keys", ADDED]
    assert f"PARTITION={len(NODES)}" in node
    told_of = f'num-partitions={len(NODES) + 1} data=\\"folder:/var/lib/nectar/images\\" state-dir='
    assert told_of in node[-1]


def test_a_command_of_the_engine_that_fails_is_told(log: Path) -> None:
    happen, _ = disturbing()
    with pytest.raises(CheckError, match="rm"):
        happen.move_hub()


@pytest.mark.parametrize(
    ("log_text", "taken"),
    [
        ("[RUN 7, ROUND 3]\nReceiving: train message\nReceived successfully\n", True),
        ("[RUN 7, ROUND 3]\nReceiving: train message\n", False),
        ("[RUN 7, ROUND 2]\nReceived successfully\n", False),
        ("[RUN 6, ROUND 3]\nReceived successfully\n[RUN 7, ROUND 3]\nReceiving\n", False),
    ],
)
def test_a_message_is_there_once_it_was_taken_in_whole(log_text: str, taken: bool) -> None:
    assert disturbances._has_taken(log_text, 3) is taken
