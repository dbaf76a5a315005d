"""For whoever knows Flower: FedProto as the strategy of a ServerApp of one's own.

It is played on this machine without a SuperLink. In a deployment `flwr run` starts the app, and
every node runs Nectar's ClientApp, `client_app.main:app`.
"""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from nectar.flower import FedProto, simulate

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Play five rounds of four clients with unlike models."""
    strategy = FedProto(
        data="digits",
        models="cnn,resnet4",
        feature_dim=64,
        min_nodes=4,
        learning_rate=0.02,
        # Clients are tested with their model's own head, as without a federation.
        fedproto={"proto_weight": 1.0, "inference": "head"},
    )
    # Flower's own loop plays the same: Strategy.start(strategy, grid, ArrayRecord(), 5)
    result = strategy.start(grid, num_rounds=5)
    for number, tested in result.evaluate_metrics_clientapp.items():
        sent = result.train_metrics_clientapp[number]["uplink_bytes"]
        print(f"round {number}: accuracy {tested['accuracy']:.3f}, clients sent {sent:,} bytes")


if __name__ == "__main__":
    simulate(app, nodes=4)
