"""What is it worth to learn from what others say of common samples? DS-FL beside each client alone.

Ten clients with twenty digits each, and 500 digits that all hold without labels: a minute. DS-FL
learns from far more samples a round, and Local that trains as long is ahead: docs/results.md.
"""

# %% Play both methods on the same shares; the open digits are given to no client in either
from typing import Any

from nectar import play

common: dict[str, Any] = {
    "clients": 10,
    "rounds": 10,
    "data": "digits",
    "max_samples": 27,
    "min_train_samples": 6,
    "models": "cnn,resnet4,resnet6",
    "learning_rate": 0.02,
    "local_epochs": 2,
    "open_data": "digits",
    "open_samples": 500,
    "resume": True,
}
alone = play(method="local", name="alone", **common)
together = play(
    method="dsfl",
    name="together",
    # Clients with so few samples are unsure of everything; a power makes any answer surer.
    dsfl={"samples_per_round": 200, "distill_batch_size": 20, "aggregation": "power"},
    **common,
)

# %% How sure the clients are of the open digits together, and what that gives
for line in together.rounds:
    told = line.diagnostics
    print(f"round {line.round_number}: entropy {told['entropy']:.2f}, accuracy {line.accuracy:.3f}")
print(f"alone {alone.accuracy:.3f}, together {together.accuracy:.3f}")
print("all of it on one page:", together.report)
