"""FedDAT: clients that ask unlike questions about pictures adapt one frozen foundation model.

The foundation model is a small one, pretrained on this machine once: ten minutes. The numbers
say how well the shared adapter, each client's own and the two together answer.
"""

from nectar import play

run = play(
    method="feddat",
    clients=5,
    rounds=5,
    data="digitgrid:domain",
    batch_size=32,
    evaluate_every=5,
    adapters={"rank": 8, "learning_rate": 0.004},
    resume=True,
)

last = run.rounds[-1]
for name, accuracy in last.scores.items():
    print(f"answered with the {name} adapter: accuracy {accuracy:.3f}")
for number, client in last.answered.items():
    print(f"client {number}: accuracy {client.accuracy:.3f}, sent {client.uplink_bytes:,} bytes")
