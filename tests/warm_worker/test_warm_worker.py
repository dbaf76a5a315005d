"""Apps that come from the warm worker are what Flower's own would be, and only quicker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm_worker.workplace import Workplace, alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")

HOLDS = "import time; print(os.getpid(), flush=True); time.sleep(60)"


def test_an_app_has_what_its_launcher_was_given(workplace: Workplace, tmp_path: Path) -> None:
    statement = (
        "import json; sys.stderr.write('to stderr');"
        "print(json.dumps([sys.argv[0], os.getcwd(), os.environ['MINE'], sys.stdin.read(),"
        " 'LEFT' in os.environ, sys.path[1], open('/proc/self/comm').read()])); sys.exit(5)"
    )
    with workplace.working():
        there = tmp_path / "there"
        there.mkdir()
        done = subprocess.run(
            [workplace.launcher(), statement],
            cwd=there,
            env={"MINE": "odd \udce9 é", "PATH": "/nowhere"},
            input="what it reads",
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (5, "to stderr")
    program, folder, mine, read, left, path, name = json.loads(done.stdout)
    assert (program, folder) == (str(workplace.program), str(there))
    assert (mine, read, left) == ("odd \udce9 é", "what it reads", False)
    # Where its own program would look first: in the program's folder, not in the worker's.
    assert (path, name.strip()) == (str(Path(sys.executable).parent), "flwr-clientapp")


def test_an_app_sees_the_environment_of_the_worker(workplace: Workplace, tmp_path: Path) -> None:
    told = f"open('{tmp_path}/told', 'w').write(os.environ['NECTAR_SPLIT_HOST'])"
    command = f"import subprocess; subprocess.run(['flwr-clientapp', {told!r}])"
    environment = {"NECTAR_SPLIT_HOST": "0.0.0.0"}
    with workplace.working(sys.executable, "-c", command, environment=environment):
        assert workplace.worker.wait(20) == 0
    assert (tmp_path / "told").read_text() == "0.0.0.0"
    assert workplace.said() == ""


def test_imports_happen_once(workplace: Workplace) -> None:
    bundle = workplace.bundle("first")
    with workplace.working():
        for _ in range(6):
            assert workplace.play("pass", bundle).stdout == "first\n"
    assert workplace.imports("torch") == 1
    # By the first app, and by the server that learnt of it.
    assert workplace.imports("first") == 2


def test_what_cannot_be_imported_is_not_tried_again_until_the_bundle_changes(
    workplace: Workplace,
) -> None:
    first, second = workplace.bundle("first"), workplace.bundle("second")
    for bundle in (first, second):
        workplace.add(bundle, "fragile", "import os\nif 'MINE' not in os.environ:\n    1 / 0\n")
    with workplace.working():
        for library in ("colorsys", "wave", "sched", "netrc"):
            statement = f"os.environ['MINE'] = '1'; import fragile, {library}"
            assert workplace.play(statement, first).returncode == 0
        # By four apps, and once by the server, which has learnt four times.
        assert workplace.imports("fragile") == 4 + 1
        for _ in range(3):
            workplace.play("os.environ['MINE'] = '1'; import fragile", second)
        wait_for(lambda: workplace.imports("fragile") >= 5 + 3 + 1, "the next server")
        assert workplace.play("print('well')", second).stdout == "second\nwell\n"
    assert workplace.imports("fragile") == 5 + 3 + 1


@pytest.mark.thorough
def test_apps_draw_differently(workplace: Workplace) -> None:
    draw = "import random, numpy; print(random.random(), numpy.random.rand())"
    with workplace.working():
        # The first has imported numpy itself.
        drawn = [workplace.play(draw).stdout.split() for _ in range(4)][1:]
    assert all(len(set(draws)) == 3 for draws in zip(*drawn, strict=True))


def test_another_bundle_brings_its_own_code_from_its_first_message_on(workplace: Workplace) -> None:
    first, second = workplace.bundle("first"), workplace.bundle("second")
    with workplace.working():
        for _ in range(3):
            workplace.play("pass", first)
        told = [workplace.play("pass", second).stdout for _ in range(6)]
    assert told == ["second\n"] * 6
    # By two apps, and by the server that followed; by nobody after that.
    assert workplace.imports("second") == 3
    assert workplace.imports("torch") == 2
    assert workplace.said() == ""


@pytest.mark.thorough
def test_bundles_that_take_turns_do_not_restart_the_server(workplace: Workplace) -> None:
    first, second = workplace.bundle("first"), workplace.bundle("second")
    with workplace.working():
        told = [workplace.play("pass", bundle).stdout for bundle in (first, second) * 3]
    assert told == ["first\n", "second\n"] * 3
    assert workplace.imports("torch") == 1


def test_a_crash_leaves_the_next_untouched(workplace: Workplace) -> None:
    with workplace.working():
        assert workplace.play("os.abort()").returncode == -signal.SIGABRT
        assert "no such thing" in workplace.play("raise ValueError('no such thing')").stderr
        assert workplace.play("print('well')").stdout == "well\n"
    assert workplace.imports("torch") == 1


def test_signals_reach_the_app_and_its_end_the_launcher(workplace: Workplace) -> None:
    with workplace.working():
        app = workplace.start(HOLDS)
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        app.send_signal(signal.SIGTERM)
        app.communicate(timeout=20)
        assert app.returncode == -signal.SIGTERM
        # Its launcher is told of its end, and so comes after it.
        assert not alive(pid)


@pytest.mark.thorough
def test_a_signal_to_all_reaches_the_app_once(workplace: Workplace, tmp_path: Path) -> None:
    counts = (
        "import signal, time; got = []; signal.signal(signal.SIGTERM, lambda *_: got.append(1));"
        f"open('{tmp_path}/ready', 'w'); time.sleep(1); open('{tmp_path}/got', 'w').write(str(got))"
    )
    command = f"import subprocess; subprocess.run(['flwr-clientapp', {counts!r}])"
    with workplace.working(sys.executable, "-c", command):
        wait_for((tmp_path / "ready").exists, "the app")
        os.killpg(workplace.worker.pid, signal.SIGTERM)
        assert workplace.worker.wait(20) == 128 + signal.SIGTERM
    # The worker has waited for the app, which went on.
    assert (tmp_path / "got").read_text() == "[1]"


def test_an_app_does_not_outlive_its_launcher(workplace: Workplace) -> None:
    with workplace.working():
        app = workplace.start(HOLDS)
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        app.kill()
        wait_for(lambda: not alive(pid), "the end of the app")
        app.communicate()


def test_with_the_server_killed_an_app_goes_on_and_the_next_has_a_new_one(
    workplace: Workplace,
) -> None:
    with workplace.working():
        app = workplace.start("print(os.getppid(), flush=True); sys.stdin.read(); print('done')")
        assert app.stdout is not None
        server = int(app.stdout.readline())
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: not alive(server), "the end of the server")
        assert workplace.play("print('next')").stdout == "next\n"
        assert app.communicate("", timeout=20)[0] == "done\n"
        assert workplace.server() != server
    assert "it is started again" in workplace.said()


@pytest.mark.thorough
def test_a_server_that_does_not_hold_is_done_without(workplace: Workplace) -> None:
    (workplace.libraries / "torch.py").write_text("import os\nos._exit(3)\n")
    with workplace.working():
        wait_for(lambda: "does not hold" in workplace.said(), "the worker to give up")
        done = workplace.play("print('cold')")
    assert (done.returncode, done.stdout) == (0, "cold\n")
    assert done.stderr.count("starts by itself") == 1


@pytest.mark.parametrize("library", ["torch", "learnt"])
def test_nothing_is_forked_beside_a_thread(workplace: Workplace, library: str) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True)"
    bundle = workplace.bundle("bundle")
    place = workplace.libraries / "torch.py" if library == "torch" else Path(bundle, "bundled.py")
    with place.open("a") as file:
        file.write(f"\n{thread}.start()\n")
    with workplace.working():
        if library == "torch":
            wait_for(lambda: "does not hold" in workplace.said(), "the worker to give up")
        told = [workplace.play("pass", bundle).stdout for _ in range(3)]
    assert told == ["bundle\n"] * 3
    assert "threads" in workplace.said()
    # Three apps, and the server that learnt of it and ended.
    assert workplace.imports("bundle") == (3 if library == "torch" else 4)


def test_the_worker_ends_as_its_command_does_and_leaves_nothing(workplace: Workplace) -> None:
    with workplace.working():
        server = workplace.server()
        workplace.worker.communicate("", timeout=20)
        assert workplace.worker.returncode == 7
        assert not alive(server)
        assert list((workplace.folder / "tmp").iterdir()) == []


def test_the_worker_passes_signals_on(workplace: Workplace) -> None:
    with workplace.working():
        server = workplace.server()
        workplace.worker.send_signal(signal.SIGTERM)
        assert workplace.worker.wait(20) == 128 + signal.SIGTERM
        assert not alive(server)


def test_a_worker_that_is_killed_takes_its_server_along(workplace: Workplace) -> None:
    with workplace.working():
        server = workplace.server()
        workplace.worker.kill()
        wait_for(lambda: not alive(server), "the end of the server")


def test_whoever_talks_nonsense_harms_nobody(workplace: Workplace) -> None:
    talk = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(bytes(4) + b'nonsense'); s.close()"
    )
    with workplace.working():
        address = workplace.launcher().with_name("socket")
        assert address.parent.stat().st_mode & 0o777 == 0o700
        subprocess.run([sys.executable, "-c", f"import sys; {talk}", address], check=True)
        assert workplace.play("print('well')").stdout == "well\n"
    assert workplace.imports("torch") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [([], "expected a command"), (["no-such-program"], "no program no-such-program on the PATH")],
)
def test_what_cannot_be_run_is_refused(words: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "warm_worker", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr
