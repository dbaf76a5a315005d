"""Client of the baseline."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from baseline.network import build, learn

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Load the global weights, learn, send them back."""
    network = build()
    network.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    learn(network)
    records = RecordDict(
        {
            "arrays": ArrayRecord(network.state_dict()),
            "metrics": MetricRecord({"num-examples": 50, "loss": 1.0}),
        }
    )
    return Message(records, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Load the global weights and report."""
    network = build()
    network.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    metrics = MetricRecord({"num-examples": 50, "accuracy": 0.5})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
