"""SuperNodes on loopback, each with its own SuperExec and its own private folder."""

from collections.abc import Sequence
from typing import final

from local_federation.processes import Child, free_port, stop_all
from local_federation.superlink import SuperLink


@final
class SuperNode:
    """One device's two processes: the SuperNode and the SuperExec that runs its ClientApps.

    Parameters
    ----------
    superlink : SuperLink
        What it connects to.
    partition : int
        Which client it is.
    num_partitions : int
        Clients in the federation.
    warm : bool
        Whether apps come from a warm worker, where those of the SuperLink do.
    """

    def __init__(
        self, superlink: SuperLink, partition: int, num_partitions: int, *, warm: bool = True
    ) -> None:
        self._superlink = superlink
        self._partition = partition
        self._num_partitions = num_partitions
        self._warm = warm
        self._children: list[Child] = []

    @property
    def name(self) -> str:
        """How messages and log files name it."""
        return f"node-{self._partition}"

    @property
    def pids(self) -> list[int]:
        """Ids of its processes."""
        return [child.pid for child in self._children]

    def start(self) -> None:
        """Start both processes; the SuperNode connects by itself."""
        port = free_port()
        state = self._superlink.folder / "state" / self.name
        config = f"partition-id={self._partition} num-partitions={self._num_partitions}"
        command = ["flower-supernode", "--insecure", "--superlink", self._superlink.address]
        command += ["--isolation", "process", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--superexec-auth-secret-file", str(self._superlink.secret)]
        command += ["--node-config", f'{config} state-dir="{state}"']
        node = self._superlink.child(self.name, command)
        name = f"{self.name}-superexec"
        superexec = self._superlink.superexec(name, port, of_node=True, warm=self._warm)
        self._children = [node, superexec]

    def running(self) -> bool:
        """Tell whether both processes are alive."""
        return bool(self._children) and all(child.running() for child in self._children)

    def stop(self) -> None:
        """Stop both processes and the ClientApps they started."""
        stop_nodes([self])

    def kill(self) -> None:
        """Kill all of them at once (SIGKILL), as pulling the plug would."""
        for child in self._children:
            child.kill()
        self._children = []

    def let_go(self) -> list[Child]:
        """Return its processes, which are whoever asks's to stop."""
        children, self._children = self._children, []
        return children


def stop_nodes(nodes: Sequence[SuperNode]) -> None:
    """Stop all processes of some nodes at once."""
    stop_all(child for node in nodes for child in reversed(node.let_go()))
