"""MocoSFL: clients with few samples each learn a representation together, without labels.

Li, Lyu, Iso, Chakrabarti, Spranger: "MocoSFL: enabling cross-client collaborative
self-supervised learning", ICLR 2023, https://openreview.net/forum?id=2QGJXyMNoPz. Reference
code: https://github.com/SonyResearch/MocoSFL at commit f1a7e61.

A client holds the first layers of a network, the server all others. In every step each
client of the pool makes two views of a few samples and sends both views' activations; the
server takes those of all clients for one batch and learns to tell the two views of a sample
from those of all others (momentum contrast), with keys of earlier steps as a memory that
all clients share. It returns the gradient of the first view's activations, from which
clients learn. After some steps client models are averaged.

===========================================  =============================================
views, client models C and C-bar             ``members.MocoSFLMembers``
InfoNCE, symmetric contrast                  ``contrast.contrast``
memory Q                                     ``network.Memory``
rest of the network S, its copy S-bar        ``network.Encoder``, ``network.follow``
a step at the server                         ``engine.MocoSFLEngine``
pool, synchronisation                        ``server.MocoSFLServer.plan``, ``aggregate``
batch and pool by number of clients          ``settings.sampling``
kNN monitor, linear probe                    ``assessment.Assessor``
collapse                                     ``figures.collapse_notes``
TAResSFL                                     ``taressfl``
rounds without clients                       ``cache.Cache``, ``MocoSFLEngine.replay_all``
===========================================  =============================================

A step, in the order of the reference code: the query view passes the client model; the
momentum client model follows; the key view passes it; both go up. At the server the
momentum copy follows, the contrast is computed, keys enter the memory, and the weights
move. Only then does the gradient go down and the client model move.

Where this differs from the reference code:

* **Synchronisation.** The average is that of exactly the pool's clients; the code starts
  its sum from client 0 instead of the pool's first.
* **Momentum models of clients** stay on the device and are not averaged, as in the code;
  ``average-momentum`` averages them too (MonAcoSFL). A client that trains for the first time
  starts its momentum model from the averaged client model instead of from the run's first
  weights.
* **Step sizes** are functions of the global step. The code moves the clients' schedule by
  batch though it counts passes, so that it swings: ``client-schedule="wave"``. A warm-up can
  be asked for (``warmup-steps``).
* **Gradient.** As in the code, clients get their slice of the gradient of the mean over the
  pool; ``gradient-scale="client"`` returns that of a client's own mean.
* **Passes.** Group normalisation lets samples of a batch not see each other. Shuffling
  batches is therefore left out, and both views pass a network at once (``merge-passes``).
* **Batches** come in an order that depends on the step alone; a step that passes without a
  late client changes nothing in its later ones.
* **Late clients.** A step takes place without them; the loss is then the mean over those
  that are there.
* **Evaluation.** Held-out training samples watch training. Figures after the last epoch of
  a probe stand beside its best one, which the code reports. Features are standardised by the
  training samples, and the linear probe starts at ten times the code's step size: banks are small.
* **Expert.** With a TAResSFL client model the server starts from the expert's momentum copy
  too; the code lets it start at random.
* **Replay.** Clients of an expert never change, so that their activations can be kept:
  ``cache-rounds`` lets the server learn from those of the first rounds alone. The code's
  replay serves clients that train, when the loss falls too slowly.
* **Left out:** memories of single clients, skipping of gradients by a loss threshold, rich
  and poor clients, and the largest head, whose batch normalisation couples samples.
"""
