"""Whether a device can read its own data, and what they hold."""

import subprocess
import sys
from pathlib import Path

from nectar_admin.doctor.finding import Finding, fault, good, noted

_LINES = 12


def readable(spec: str, node_config: str, app: Path) -> Finding:
    """Let the app look at a data source, as a run would.

    Parameters
    ----------
    spec : str
        Data source, such as ``folder:/srv/images``.
    node_config : str
        As given to ``flower-supernode --node-config``.
    app : Path
        Folder that holds the package ``client_app``.
    """
    if not (app / "client_app").is_dir():
        return noted(
            "data",
            f"not looked at: there is no client_app in {app}",
            "name the checkout with --app",
        )
    command = [sys.executable, "-m", "client_app.data", spec, "--node-config", node_config]
    done = subprocess.run(  # noqa: S603 - this interpreter
        command, cwd=app, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        return fault(
            "data",
            f"{spec} cannot be used: {last}",
            "mend what it says; the user that runs the device's services must be able to read all "
            "of it",
        )
    return good("data", "\n".join(done.stdout.rstrip().splitlines()[:_LINES]))
