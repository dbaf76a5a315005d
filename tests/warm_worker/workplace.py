"""A warm worker around a command that waits, with libraries and apps of a test's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

ROOT = Path(__file__).parents[2]
_WAITS = "import sys; sys.stdin.read(); sys.exit(7)"

# In the place of what every app imports; whoever imports it leaves a line.
TORCH = """
with open({noted!r}, "a") as noted:
    noted.write("torch\\n")
"""
_OBJECT_REF = """
import sys
def _ensure_sys_path(folder):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
"""
# What Flower's program does with a bundle, and what a test asks for besides.
_PROGRAM = """
import os, sys
sys.path.insert(0, {libraries!r})
from flwr.supercore import object_ref
if len(sys.argv) > 2:
    object_ref._ensure_sys_path(sys.argv[2])
    import bundled
    print(bundled.NAME, flush=True)
exec(sys.argv[1])
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for what must come soon."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@final
class Workplace:
    """Libraries, an app's program, and a warm worker once it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.noted = folder / "noted"
        self.libraries = folder / "libraries"
        for package in ("flwr", "flwr/supercore", "flwr/app", "flwr/clientapp"):
            (self.libraries / package).mkdir(parents=True)
            (self.libraries / package / "__init__.py").touch()
        (self.libraries / "flwr/supercore/object_ref.py").write_text(_OBJECT_REF)
        (self.libraries / "torch.py").write_text(TORCH.format(noted=str(self.noted)))
        self.program = folder / "bin" / "flwr-clientapp"
        self.program.parent.mkdir()
        told = _PROGRAM.format(libraries=str(self.libraries))
        self.program.write_text(f"#!{sys.executable}\n{told}")
        self.program.chmod(0o755)
        self._worker: subprocess.Popen[str] | None = None

    @property
    def worker(self) -> "subprocess.Popen[str]":
        assert self._worker is not None
        return self._worker

    def bundle(self, name: str) -> str:
        """Make an app bundle whose code has a name; whoever imports it leaves that."""
        place = self.folder / name
        place.mkdir()
        text = f"with open({str(self.noted)!r}, 'a') as noted:\n    noted.write('{name}\\n')\n"
        (place / "bundled.py").write_text(f"NAME = {name!r}\n{text}")
        return str(place)

    def add(self, bundle: str, name: str, text: str) -> None:
        """Add a module to a bundle; whoever imports it leaves its name first."""
        noted = f"with open({str(self.noted)!r}, 'a') as noted:\n    noted.write('{name}\\n')\n"
        Path(bundle, f"{name}.py").write_text(noted + text)

    def imports(self, name: str) -> int:
        """Return how often something was imported, by whomever."""
        return self.noted.read_text().split().count(name)

    @contextmanager
    def working(
        self, *command: str, options: Sequence[str] = (), environment: Mapping[str, str] = {}
    ) -> Iterator[None]:
        """Have a warm worker whose command waits, or does what it is told."""
        words = command or (sys.executable, "-c", _WAITS)
        pythonpath = f"{self.libraries}{os.pathsep}{ROOT}"
        places = f"{self.program.parent}{os.pathsep}{os.environ['PATH']}"
        (self.folder / "tmp").mkdir(exist_ok=True)
        for launcher in (self.folder / "tmp").glob("warm-worker-*/flwr-clientapp"):
            # Of a worker that was killed: nobody is to take it for this one's.
            launcher.unlink()
        with (self.folder / "said").open("w") as said:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "warm_worker", *options, *words],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": pythonpath,
                    "PATH": places,
                    "TMPDIR": str(self.folder / "tmp"),
                    **environment,
                },
                stdin=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.communicate()

    def said(self) -> str:
        """Return what the worker said on standard error."""
        return (self.folder / "said").read_text()

    def launcher(self) -> Path:
        """Return the program that stands for the app's, once it is there."""
        there = self.folder / "tmp"
        found: list[Path] = []

        def ready() -> bool:
            launchers = there.glob("warm-worker-*/flwr-clientapp")
            found[:] = [one for one in launchers if os.access(one, os.X_OK)]
            return bool(found)

        wait_for(ready, "a launcher that can be run")
        return found[0]

    def start(self, statement: str, bundle: str | None = None) -> "subprocess.Popen[str]":
        """Start an app that executes a statement, as Flower would."""
        command = [str(self.launcher()), statement, *([bundle] if bundle else [])]
        out = subprocess.PIPE
        return subprocess.Popen(command, stdin=out, stdout=out, stderr=out, text=True)

    def play(self, statement: str, bundle: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run an app that executes a statement to its end."""
        app = self.start(statement, bundle)
        out, err = app.communicate(timeout=30)
        return subprocess.CompletedProcess(app.args, app.returncode, out, err)

    def server(self) -> int:
        """Return the warm server's process id: the parent of an app."""
        return int(self.play("print(os.getppid())").stdout)
