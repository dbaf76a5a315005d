"""Files in docker/: what a slip in them would open to everybody, or break without a word."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from benchmarks.proxy_refuses import NODES_PATHS, routes
from local_federation import containers

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
FILES = ("compose.yml", "server.yml", "device.yml")
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
NGINX = (DOCKER / "nginx.conf").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / name).read_text()))


def services() -> list[Any]:
    return [
        pytest.param(service, id=f"{file}-{name}")
        for file in FILES
        for name, service in read(file)["services"].items()
    ]


def words(service: dict[str, Any]) -> str:
    return " ".join([*service.get("entrypoint", []), *service.get("command", [])])


# Compose files


@pytest.mark.parametrize("service", services())
def test_every_container_can_do_as_little_as_the_others(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert {"privileged", "cap_add", "user", "network_mode", "pid", "devices"} & set(
        service
    ) == set()
    # What plays once ends by itself.
    plays_on = any(name in words(service) for name in ("flower-", "nginx")) or not words(service)
    assert (
        service["restart"] == "always" if plays_on else service["restart"] in ("no", "on-failure")
    )


@pytest.mark.parametrize("service", services())
def test_programs_can_be_written_to_tmp_where_the_warm_worker_writes_them(
    service: dict[str, Any],
) -> None:
    (mount,) = service["tmpfs"]
    place, _, options = mount.partition(":")
    assert place == "/tmp"
    assert {"nosuid", "nodev"} <= set(options.split(","))
    # Engines mount it noexec, and then apps would start cold without a word.
    assert ("exec" in options.split(",")) is ("warm_worker" in words(service))


@pytest.mark.parametrize("file", ["compose.yml", "server.yml"])
def test_the_proxy_is_the_only_way_to_the_hub(file: str) -> None:
    told = read(file)
    assert told["networks"]["inside"] == {"internal": True}
    published = {name: s["ports"] for name, s in told["services"].items() if "ports" in s}
    split = published.pop("superexec", None)
    assert published == {"proxy": ["${NECTAR_PORT:-8443}:8443"]}
    # Activations come to the server half itself, where devices are elsewhere.
    assert split == (["${NECTAR_SPLIT_PORT:-9443}:9443"] if file == "server.yml" else None)
    inside = {name for name, s in told["services"].items() if "inside" in s["networks"]}
    outside = {name for name, s in told["services"].items() if "outside" in s["networks"]}
    assert inside & outside == {"superexec", "proxy"}
    assert {"superlink", "run"} <= inside - outside
    assert all(name.startswith("node-") for name in outside - inside)


def test_nodes_of_the_lab_differ_by_their_number_alone() -> None:
    told = read("compose.yml")["services"]
    for number in range(3):
        node, superexec = told[f"node-{number}"], told[f"node-{number}-superexec"]
        assert node["environment"] == {"NODE": f"node-{number}", "PARTITION": str(number)}
        assert superexec["environment"] == {"NODE": f"node-{number}"}
        assert f"state-{number}:/var/lib/nectar" in superexec["volumes"]
    assert f"num-partitions={len([n for n in told if n.endswith('-superexec')])} " in words(
        told["node-0"]
    )
    made = {f"node-{number}" for number in range(3)}
    assert made <= set(words(told["keys"]).split())
    assert made <= set(words(told["register"]).split())


@pytest.mark.parametrize("name", ["superlink", "superexec", "proxy", "run"])
def test_a_server_elsewhere_is_that_of_the_lab(name: str) -> None:
    # Where keys lie, what is published and what devices call it is all that may differ.
    differs = {"volumes", "ports", "build", "environment", "logging"}
    lab, server = (read(file)["services"][name] for file in ("compose.yml", "server.yml"))
    assert {k: v for k, v in lab.items() if k not in differs} == {
        k: v for k, v in server.items() if k not in differs
    }
    assert set(lab.get("environment", {})) == set(server.get("environment", {}))


def test_a_device_elsewhere_is_started_as_one_of_the_lab() -> None:
    lab, device = read("compose.yml")["services"], read("device.yml")["services"]
    pairs = ("node-0", "supernode"), ("node-0-superexec", "superexec")
    for ours, theirs in pairs:
        options = [
            set(re.findall(r"(?:^|\s)(--[a-z-]+)", words(service)))
            for service in (lab[ours], device[theirs])
        ]
        # The port is that of the server's address.
        assert options[0] - {"--port", "--"} == options[1] - {"--"}


def test_what_is_started_is_what_the_lab_has() -> None:
    told = read("compose.yml")["services"]
    assert set(containers.SERVICES) == set(told) - {"run"}
    built = {s["image"]: s["build"] for s in told.values() if "build" in s}
    assert {s["image"] for s in told.values()} == set(built)
    assert {name.removeprefix("nectar-"): b["target"] for name, b in built.items()} == {
        target: target for target in containers.IMAGES
    }
    for target, extras in containers.IMAGES.items():
        assert built[f"nectar-{target}"].get("args", {}).get("EXTRAS", "") == extras


# Dockerfile


def test_images_are_targets_of_the_dockerfile_and_run_as_nobody_in_particular() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    last = {
        stage.split()[3 if " AS " not in stage.splitlines()[0] else 2]: stage for stage in stages
    }
    assert set(containers.IMAGES) <= set(last)
    for target in containers.IMAGES:
        assert re.findall(r"^USER (.*)", last[target], re.MULTILINE)[-1:] == ["nectar"]
    assert DOCKERFILE.count("useradd --uid 10001 ") == 2
    assert "VOLUME" not in DOCKERFILE
    assert "--no-compile" not in DOCKERFILE
    assert "PYTHONDONTWRITEBYTECODE" not in DOCKERFILE


def test_the_images_python_is_one_that_is_supported() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(.*)", DOCKERFILE, re.MULTILINE)
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")


def test_all_that_images_are_made_of_is_at_hand_and_told_apart() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"constraints.txt", "constraints-device.txt"} <= set(copied)
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    inputs = {str(file.relative_to(ROOT)) for file in containers.image_inputs()}
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in allowed
        # An image that was made from another file is built anew.
        assert source == "pyproject.toml" or any(name.startswith(source) for name in inputs)


def wanted(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{PROGRAM}\nprint(chr(10).join(wanted(PROJECT, *ARGS)))"],
        env={**os.environ, "ARGS": repr(arguments)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise KeyError(done.stderr)
    return done.stdout.split("\n")[:-1]


PROGRAM = f"""
import ast, os, sys, tomllib
sys.path.insert(0, {str(DOCKER)!r})
from wanted import wanted
PROJECT = tomllib.load(open({str(ROOT / "pyproject.toml")!r}, "rb"))["project"]
image, *extras = ast.literal_eval(os.environ["ARGS"])
ARGS = image, extras
"""


def test_images_install_what_pyproject_asks_for() -> None:
    base, extras = PROJECT["dependencies"], PROJECT["optional-dependencies"]
    assert wanted("device") == base
    assert wanted("device", "simulation") == [*base, *extras["simulation"]]
    assert wanted("server") == [*base, *extras["server"]]
    hub = wanted("hub")
    assert [line for line in hub if line.startswith("flwr>")]
    assert [line for line in hub if line.startswith("cryptography>")]
    assert [line for line in hub if line.startswith(("torch", "numpy"))] == []
    with pytest.raises(KeyError, match="nothing"):
        wanted("device", "nothing")


# nginx


def test_nginx_lets_exactly_those_paths_in_that_a_registered_node_needs() -> None:
    (told,) = re.findall(r'location ~ "\^/v1/fleet/\(([a-z|-]+)\)\$"', NGINX)
    paths = [f"/v1/fleet/{word}" for word in told.split("|")]
    assert sorted(paths) == sorted(NODES_PATHS)
    fleet = {path for path in routes() if path.startswith("/v1/fleet/")}
    assert fleet - set(paths) == {"/v1/fleet/register-node", "/v1/fleet/unregister-node"}
    assert set(paths) <= fleet
    assert re.findall(r"location (\S+)", NGINX) == ["/", "~"]
    assert "location / { return 403; }" in NGINX


def test_nginx_passes_on_nothing_that_a_caller_wrote() -> None:
    assert re.findall(r"proxy_pass (\S+);", NGINX) == ["https://$hub/v1/fleet/$1"]


def test_nginx_never_gives_an_answer_that_a_node_does_not_come_back_from() -> None:
    told = re.findall(r"(limit_\w+)_status (\d+);", NGINX)
    assert sorted(told) == [("limit_conn", "503"), ("limit_req", "503")]
    limits = set(re.findall(r"^\s+(limit_\w+) ", NGINX, re.MULTILINE))
    assert {name for name, _ in told} <= limits


# Waiting


def test_a_command_begins_once_its_file_is_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    command = [str(DOCKER / "when-ready"), str(file), "echo", "begun"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == f"waiting for {file}\n"
        assert waiting.poll() is None
        file.touch()
        assert waiting.stdout.read() == "begun\n"
    assert waiting.returncode == 0


def test_libraries_are_installed_where_images_look_for_them() -> None:
    # A shell that has found the system's pip once goes on with it, whatever environment is made.
    installs = re.findall(r"(\S*pip) install\b", DOCKERFILE)
    assert set(installs) == {"/opt/nectar/bin/pip"}
    assert len(installs) == 4
