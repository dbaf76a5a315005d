"""Measure a client in a process that holds what a device's process holds, and nothing else.

Started by ``client_app.profile``: a workload comes in as JSON, figures go out as JSON.
"""

import json
import sys

import client_app.main  # noqa: F401 - resident on a device before any model is
from client_app.profiling import measurement, message_round
from client_app.profiling.figures import Workload
from client_app.profiling.message_round import MessageWorkload
from strategies.common.errors import NectarError
from strategies.common.out_of_memory import is_out_of_memory


def main() -> int:
    """Measure, and return the exit status: 0, or 1 if the client cannot be built or held."""
    text = sys.stdin.read()
    try:
        if "config" in json.loads(text):
            told = message_round.measure(MessageWorkload.from_json(text)).to_json()
        else:
            told = measurement.measure(Workload.from_json(text)).to_json()
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        sys.stderr.write(
            f"does not fit: the measuring process got no memory ({error!s:.200}); a smaller "
            f"batch, width, cut or image helps\n"
        )
        return 1
    sys.stdout.write(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
