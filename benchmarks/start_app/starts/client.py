"""Client: imports what learning takes, and says when it is ready."""

import sys
import time

# Whether somebody has imported it before this app's code was.
FOUND = "torch" in sys.modules

import torch  # noqa: E402 - what is in memory is looked at first
import torchvision  # noqa: E402, F401 - as apps that learn from images do
from flwr.app import ConfigRecord, Context, Message, RecordDict  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Make a network and an optimiser, and say when that was done."""
    torch.optim.SGD(torch.nn.Linear(4, 2).parameters(), 0.1)
    told = ConfigRecord(
        {
            "ready": time.monotonic_ns(),
            "found": FOUND,
            "partition": int(context.node_config["partition-id"]),
        }
    )
    return Message(RecordDict({"told": told}), reply_to=message)
