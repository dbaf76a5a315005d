"""Server: one message at a time, to one node after another, and what they told to a file."""

import json
import time
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()
_POLL_S = 0.05


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Ask nodes in turn and write down what they said, in order."""
    config = context.run_config
    while len(nodes := sorted(grid.get_node_ids())) < int(config["nodes"]):
        time.sleep(_POLL_S)
    # Whoever is asked first says who it is; that message counts for nothing.
    known = {int(ask(grid, node)["partition"]): node for node in nodes}
    asked = [known[int(partition)] for partition in str(config["partitions"]).split(",")]
    told = [ask(grid, node) for _ in range(int(config["messages"])) for node in asked]
    Path(str(config["told"])).write_text(json.dumps(told))


def ask(grid: Grid, node: int) -> dict[str, Any]:
    """Send one message and wait for its reply."""
    content = RecordDict({"order": ConfigRecord({"what": "begin"})})
    message = Message(content, dst_node_id=node, message_type="train")
    (number,) = grid.push_messages([message])
    while True:
        for reply in grid.pull_messages([number]):
            if reply.has_error():
                raise RuntimeError(f"node {node}: {reply.error.reason}")
            return dict(reply.content.config_records["told"])
        time.sleep(_POLL_S)
