"""SplitFed: clients hold the first layers of a network, the server all others.

Two nodes carry five clients each; activations go up and gradients come down at every step.
"""

from nectar import play

run = play(
    method="splitfed",
    clients=2,
    clients_per_node=5,
    rounds=5,
    data="digits",
    # A network that halves its maps three times would leave one pixel of eight.
    image_size=16,
    split={"network": "resnet18", "width": 8, "cut": 1},
    splitfed={"version": "v2"},
    resume=True,
)

print("the averaged front with the server's part:", run.accuracy)
for number, client in run.clients.items():
    moved = sum(line.answered[number].uplink_bytes for line in run.rounds)
    print(f"node {number} with {client.clients} clients sent {moved / 1e6:.1f} MB")
