"""Does it help clients with unlike models to trade prototypes? FedProto beside each client alone.

Two seeds, four clients, ten rounds: about two minutes. Run again, it goes on where it stopped.
"""

# %% Play both methods on the same shares of the data
from nectar import play

runs = {
    (method, seed): play(
        method=method,
        seed=seed,
        clients=4,
        rounds=10,
        data="digits",
        models="cnn,resnet4",
        learning_rate=0.02,
        # As Local, each client is tested with its model's own head.
        fedproto={"proto_weight": 1.0, "inference": "head"},
        name=f"{method}-{seed}",
        resume=True,
    )
    for seed in (0, 1)
    for method in ("local", "fedproto")
}

# %% Compare them seed by seed
print("seed  Local  FedProto   gain")
for seed in (0, 1):
    alone = runs["local", seed].accuracy or 0.0
    together = runs["fedproto", seed].accuracy or 0.0
    print(f"{seed:4}  {alone:.3f}  {together:8.3f}  {together - alone:+.3f}")

# %% Look into one of them
run = runs["fedproto", 1]
for line in run.rounds:
    print(f"round {line.round_number}: accuracy {line.accuracy:.3f}, up {line.uplink_bytes} bytes")
print("all of it on one page:", run.report)
