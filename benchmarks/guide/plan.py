"""Which machine each block of the guide is for, and what must be so after it.

This is all that stands between the guide and the machines.
"""

from typing import Final

from benchmarks.guide import outcomes
from benchmarks.guide.steps import AtOnce, Check, Follow, Given, LeaveOut, Plan, Put

OWN: Final = "laptop"
SERVER: Final = "cloud.example.org"
BOARDS: Final = ("pi-0", "pi-1", "pi-2")
MACHINES: Final = (OWN, SERVER, *BOARDS)
_APP: Final = "/opt/nectar/current/app"
_TOOLS: Final = "/opt/nectar/current/tools"
_CHECKOUT: Final = "~/nectar"
# As the guide itself says above its table.
_ADMIN: Final = (("nectar_admin", "../bin/python -m nectar_admin"),)
_FLWR: Final = (("flwr list", "../bin/flwr list"),)


def _others(board: str) -> tuple[tuple[str, str], ...]:
    """Return what ``# the same for the others`` means."""
    return () if board == BOARDS[0] else ((BOARDS[0], board),)


def _partition(board: str) -> tuple[tuple[str, str], ...]:
    number = BOARDS.index(board)
    return (("--partition 0", f"--partition {number}"),) if number else ()


_KEYS: Final = "1. Keys"
_SERVER: Final = "2. The server"
_BOARD: Final = "3. Each board"
_RUN: Final = "4. A run"
_MODEL: Final = "5. A model to use"
_RENEW: Final = "Renew the server's certificate, at 60 of its 90 days"
_WRONG: Final = "What is wrong with a board, or with the server?"

PLAN: Final[Plan] = (
    LeaveOut("Deployment", "board 0", "a drawing"),
    Given(
        OWN,
        "sudo apt-get update -qq && sudo apt-get install -y -qq git python3-venv",
        "a machine on which somebody develops",
    ),
    Follow(_KEYS, "git clone", OWN),
    *(Follow(_KEYS, "scp -r", OWN, _CHECKOUT, _others(board)) for board in BOARDS),
    Follow(_SERVER, "sudo apt", SERVER),
    Follow(_SERVER, "cd /opt", SERVER),
    Check(SERVER, "services", outcomes.services(SERVER)),
    AtOnce(
        tuple((Follow(_BOARD, "sudo apt", board, instead=_partition(board)),) for board in BOARDS)
    ),
    # One after another: it takes the time of a start, and containers share their cores.
    *(Follow(_BOARD, "cd /opt", board) for board in BOARDS),
    Check(BOARDS[0], "services", outcomes.services(BOARDS[0])),
    Check(SERVER, "devices list", outcomes.devices(SERVER, BOARDS)),
    Follow(_RUN, "cd /opt", SERVER),
    Check(SERVER, "journal", outcomes.journal(SERVER, "first", 20, len(BOARDS))),
    Put(_RUN, "[superlink.nectar]", SERVER, "~/.flwr/config.toml"),
    Follow(_RUN, "../bin/flwr run", SERVER, _APP),
    Check(SERVER, "journal", outcomes.journal(SERVER, "second", 20, len(BOARDS))),
    Follow(_MODEL, "ssh ", OWN),
    Follow(_MODEL, "cd /opt", BOARDS[0]),
    Check(BOARDS[0], "labels", outcomes.labels(BOARDS[0], "/tmp/found.csv")),  # noqa: S108 - the guide's
    Check(BOARDS[2], "reboot", outcomes.reboot(BOARDS[2])),
    Check(SERVER, "reboot", outcomes.reboot(SERVER)),
    Check(SERVER, "devices list", outcomes.devices(SERVER, BOARDS)),
    Follow("Who is there, who failed?", "sudo nectar_admin", SERVER, _TOOLS, _ADMIN),
    Follow(_WRONG, "sudo -u nectar nectar_admin doctor device", BOARDS[2], _TOOLS, _ADMIN),
    Follow(_WRONG, "sudo -u nectar nectar_admin doctor server", SERVER, _TOOLS, _ADMIN),
    Follow("How far is a run?", "flwr list", SERVER, _TOOLS, _FLWR),
    Follow("What does a part say?", "sudo journalctl", BOARDS[2]),
    Follow(_RENEW, ".venv/bin/python", OWN, _CHECKOUT),
    Follow(_KEYS, "scp -r", OWN, _CHECKOUT),
    Follow(_RENEW, "sudo install", SERVER),
    Check(SERVER, "certificate", outcomes.certificate(OWN, SERVER)),
    Check(SERVER, "devices list", outcomes.devices(SERVER, BOARDS)),
    Given(
        OWN,
        "cd nectar && git -c user.name=me -c user.email=me@example.org commit -q --allow-empty "
        "-m 'A newer version' && sudo git push -q",
        "a newer version of Nectar",
    ),
    Follow("New libraries, or a new Flower", "git pull", SERVER, _CHECKOUT),
    Check(SERVER, "release", outcomes.release(SERVER, newest=True)),
    Check(SERVER, "services", outcomes.services(SERVER)),
    Check(SERVER, "devices list", outcomes.devices(SERVER, BOARDS)),
    Follow("Back again", "sudo systemd", SERVER, _CHECKOUT),
    Check(SERVER, "release", outcomes.release(SERVER, newest=False)),
    Check(SERVER, "devices list", outcomes.devices(SERVER, BOARDS)),
    Follow(_WRONG, "sudo -u nectar nectar_admin doctor server", SERVER, _TOOLS, _ADMIN),
    Follow("One board less", "nectar_admin devices remove", SERVER, _TOOLS, _ADMIN),
    Check(SERVER, "devices list", outcomes.devices(SERVER, ("pi-0", "pi-2"), ("pi-1",))),
    *(
        step
        for machine in (BOARDS[1], SERVER)
        for step in (
            Follow("Take it away", "sudo systemd", machine, _CHECKOUT),
            Check(machine, "removed", outcomes.removed(machine)),
        )
    ),
    LeaveOut("Containers instead", "", "python -m benchmarks.check_containers does that"),
    LeaveOut("Stop a run", "", "asks for a run's number; tests/deployed stops runs"),
    LeaveOut("Go on with it", "", "a setting; tests/deployed goes on with runs"),
    LeaveOut("Restart the SuperLink or the proxy", "", "a setting; check_containers kills both"),
    LeaveOut("One board more", "", "what was done for the three, on a fourth machine"),
    LeaveOut("A new key for a board", "", "told in words; tests/nectar_admin does it"),
    LeaveOut("Back up", "", "says what to copy, and leaves to you by what"),
)
