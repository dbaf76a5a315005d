"""Server of the baseline: FedAvg through ``Strategy.start``, with a clock."""

import json
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from baseline.network import build

app = ServerApp()


class TimedFedAvg(FedAvg):
    """FedAvg that notes when each round begins."""

    def __init__(self, nodes: int) -> None:
        super().__init__(min_available_nodes=nodes, min_train_nodes=nodes, min_evaluate_nodes=nodes)
        self.begun: list[float] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note the time; the rest is Flower's."""
        messages = list(super().configure_train(server_round, arrays, config, grid))
        self.begun.append(time.perf_counter())
        return messages


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run Flower's own loop and write the seconds of each round."""
    strategy = TimedFedAvg(int(context.run_config["nodes"]))
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(build().state_dict()),
        num_rounds=int(context.run_config["rounds"]),
    )
    marks = [*strategy.begun, time.perf_counter()]
    seconds = [after - before for before, after in pairwise(marks)]
    Path(str(context.run_config["times"])).write_text(json.dumps(seconds))
