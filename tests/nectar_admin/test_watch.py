"""A watched command: ended once it is without its server, and never for anything else."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nectar_admin.__main__ import main
from nectar_admin.connections import is_connected

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="connections are looked for in /proc")

# What a child has at hand: a connection to the server's port, and where to leave word.
_CHILD = """
import os, signal, socket, subprocess, sys, time
port, folder = int(sys.argv[1]), sys.argv[2]
def dial():
    return socket.create_connection(("127.0.0.1", port))
def leave(word):
    open(os.path.join(folder, word), "w").close()
"""


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Yield a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


@pytest.fixture
def start(
    server: socket.socket, tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    port = server.getsockname()[1]

    def begin(
        statements: str, patience_s: float, runner: list[str] | None = None
    ) -> "subprocess.Popen[str]":
        words = runner or ["-m", "nectar_admin", "watch", "--port", str(port)]
        words = [*words, "--patience", str(patience_s), "--"]
        child = [sys.executable, "-c", f"{_CHILD}\n{statements}", str(port), str(tmp_path)]
        started.append(
            subprocess.Popen(
                [sys.executable, *words, *child], cwd=ROOT, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"waited in vain for {path.name}"
        time.sleep(0.01)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, told = process.communicate(timeout=30)
    return process.returncode, told


@linux
def test_a_connected_command_is_let_be_and_its_status_passed_on(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    process = start("held = dial(); time.sleep(1.5); sys.exit(7)", 0.5)
    assert ended(process) == (7, "")


@linux
def test_a_command_that_lost_its_connection_is_ended(
    start: Callable[..., "subprocess.Popen[str]"], server: socket.socket
) -> None:
    started = time.monotonic()
    process = start("held = dial(); time.sleep(0.6); held.close(); time.sleep(60)", 0.8)
    status, told = ended(process)
    assert status == 128 + signal.SIGTERM
    port = server.getsockname()[1]
    assert told.startswith(f"watch: no connection to port {port} for 0.8 s: ending ")
    # Connected for 0.6 s, and patience from then on.
    assert time.monotonic() - started > 1.2


@linux
def test_a_command_that_ends_well_for_being_deaf_counts_as_failed(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
    assert ended(start(f"{handler}; time.sleep(60)", 0.3))[0] == 1


@pytest.mark.thorough
@linux
def test_reconnecting_within_patience_is_no_reason(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    process = start(
        "for _ in range(5):\n    held = dial(); time.sleep(0.3); held.close(); time.sleep(0.2)", 1.2
    )
    assert ended(process) == (0, "")


@pytest.mark.thorough
@linux
def test_connections_of_its_children_are_not_its_own(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    inner = (
        "import socket, time; held = socket.create_connection(('127.0.0.1', {})); time.sleep(60)"
    )
    statements = (
        f"inner = subprocess.Popen([sys.executable, '-c', {inner!r}.format(port)])\n"
        "signal.signal(signal.SIGTERM, lambda *_: (inner.kill(), sys.exit(3)))\n"
        "time.sleep(60)"
    )
    status, told = ended(start(statements, 1.0))
    assert status == 3
    assert "no connection to port" in told


@pytest.mark.thorough
@linux
def test_a_command_that_does_not_end_is_killed(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    runner = [
        "-c",
        "import sys; from nectar_admin.watch import Watch; "
        "sys.exit(Watch(sys.argv[4:], 1, float(sys.argv[2]), grace_s=0.3).run())",
    ]
    status, _ = ended(
        start("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", 0.5, runner)
    )
    assert status == 128 + signal.SIGKILL


def test_a_signal_reaches_the_command_once(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    statements = (
        "got = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: got.append(1))\n"
        "leave('ready')\n"
        "while not got:\n    time.sleep(0.01)\n"
        "time.sleep(0.3); sys.exit(20 + len(got))"
    )
    process = start(statements, 60)
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (21, "")


def test_what_a_terminal_sends_to_all_reaches_the_command_once(
    tmp_path: Path, server: socket.socket
) -> None:
    statements = (
        f"{_CHILD}\ngot = []\nsignal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "leave('ready')\n"
        "while not got:\n    time.sleep(0.01)\n"
        "time.sleep(0.3); sys.exit(20 + len(got))"
    )
    child = [sys.executable, "-c", statements, "1", str(tmp_path)]
    command = [sys.executable, "-m", "nectar_admin", "watch", "--port", "1", "--", *child]
    # Whoever runs the tests in the background ignores this signal, and so would what they start.
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, kept)
    try:
        wait_for(tmp_path / "ready")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 21
    finally:
        process.kill()
        process.wait()


@pytest.mark.thorough
def test_where_connections_are_not_to_be_seen_it_says_so_once_and_lets_be(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    hidden = (
        "import sys; from nectar_admin import watch\n"
        "def is_connected(pid, port):\n"
        "    raise FileNotFoundError(2, 'No such file or directory', '/proc/1/net/tcp')\n"
        "watch.is_connected = is_connected\n"
        "sys.exit(watch.watch(sys.argv[4:], 1, float(sys.argv[2])))"
    )
    status, told = ended(start("time.sleep(1); sys.exit(3)", 0.2, ["-c", hidden]))
    assert (status, told.count("\n")) == (3, 1)
    assert "cannot look at connections here" in told
    assert "/proc/1/net/tcp" in told


# What is a connection


@linux
def test_only_its_own_established_connection_to_that_port_counts(server: socket.socket) -> None:
    me, port = os.getpid(), server.getsockname()[1]
    assert not is_connected(me, port)
    with socket.create_connection(("127.0.0.1", port)) as ours:
        assert is_connected(me, port)
        accepted, _ = server.accept()
        with accepted:
            # Its other end, ours as well, is one that somebody made to a port we listen on.
            assert not is_connected(me, ours.getsockname()[1])
    assert not is_connected(me, port)


@linux
def test_an_established_connection_counts_with_ipv6() -> None:
    if not socket.has_ipv6 or not Path("/proc/net/tcp6").exists():
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 address here")
    with listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("::1", port)):
            assert is_connected(os.getpid(), port)
        assert not is_connected(os.getpid(), port)


@linux
def test_what_others_dial_from_that_port_does_not_count() -> None:
    # Its SuperExec dials the SuperNode from any port, that of the server too.
    code = (
        "import socket, sys, time; s = socket.socket();"
        "s.bind(('127.0.0.1', 0)); s.connect(('127.0.0.1', int(sys.argv[1])));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", code, str(listener.getsockname()[1])]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
            assert other.stdout is not None
            theirs = int(other.stdout.readline())
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getpeername()[1] == theirs
                assert not is_connected(os.getpid(), theirs)
                assert is_connected(other.pid, listener.getsockname()[1])
            other.communicate()


def test_a_process_that_is_gone_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(OSError, match=r"."):
        is_connected(process.pid, 1)


# The command line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected the command to run behind --"),
        (["--"], "expected the command to run behind --"),
        (["--", "flower-supernode"], "--port: expected the port of the server, got none"),
        (["--", "flower-supernode", "--superlink"], "--port: expected the port of the server"),
        (["--", "x", "--superlink", "cloud"], "--superlink cloud: expected HOST:PORT"),
        (["--", "x", "--superlink=cloud:0"], "--superlink cloud:0: expected HOST:PORT"),
        (["--", "x", "--superlink=cloud:70000"], "expected HOST:PORT"),
        (["--patience", "0", "--", "x"], "--patience 0: expected seconds, more than 0"),
        (["--patience", "nan", "--", "x"], "--patience nan: expected seconds"),
        (
            ["--port", "99999", "--", "true"],
            "--port 99999: expected the port of the server, from 1",
        ),
        (["--port", "-5", "--", "true"], "--port -5: expected the port of the server, from 1"),
        (["--port", "0", "--", "x", "--superlink=cloud:1"], "--port 0: expected the port"),
        (["--port", "1", "--", "no-such-program"], "no-such-program: cannot be started"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    assert main(["watch", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Put back what a watch in this process sets."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.thorough
@linux
@pytest.mark.parametrize("form", ["--superlink=[::1]:{}", "--superlink 127.0.0.1:{}"])
def test_the_port_is_that_of_the_commands_superlink(server: socket.socket, form: str) -> None:
    port = server.getsockname()[1]
    code = (
        f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(1)"
    )
    words = form.format(port).split()
    command = ["watch", "--patience", "0.3", "--", sys.executable, "-c", code, *words]
    done = subprocess.run(
        [sys.executable, "-m", "nectar_admin", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
