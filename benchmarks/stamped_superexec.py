"""A SuperExec that writes down when it starts each ClientApp; all else is Flower's."""

import os
import time
from pathlib import Path

from flwr.supercore.cli import flower_superexec
from flwr.supercore.constant import TaskType
from flwr.supercore.superexec.executor.subprocess_executor import SubprocessExecutor
from flwr.supercore.superexec.executor.types import ExecutionSpec, LaunchResult

STAMPS = "NECTAR_STAMPS"


def main() -> None:
    """Run Flower's program with a stamp at each start."""
    launch = SubprocessExecutor.launch
    place = Path(os.environ[STAMPS])

    def stamped(self: SubprocessExecutor, spec: ExecutionSpec) -> LaunchResult:
        if spec.task_type == TaskType.CLIENT_APP:
            with place.open("a") as file:
                file.write(f"{time.monotonic_ns()}\n")
        return launch(self, spec)

    SubprocessExecutor.launch = stamped  # type: ignore[method-assign]
    flower_superexec()


if __name__ == "__main__":
    main()
