"""FedProto: clients of unlike architectures agree on where each class lies in feature space.

Tan, Long, Liu, Zhou, Lu, Jiang, Zhang: "FedProto: Federated Prototype Learning across
Heterogeneous Clients", AAAI 2022, https://arxiv.org/abs/2105.00243. Reference code:
https://github.com/yuetan031/FedProto; a second implementation, to which this one is compared,
is in https://github.com/TsingZ0/HtFLlib (``clientproto.py``).

A client uploads the mean features of each class it holds. The server averages them class by
class and sends the averages to all, and each client pulls its features towards them while it
learns to classify. A test sample gets the class of the nearest prototype. Models share
nothing but the width of their features, ``feature-dim``.

===========================================  =============================================
eq. 3, a client's prototype                  ``client._own_means``
eq. 4, nearest prototype                     ``prototypes.distance_scores``
eq. 6, global prototypes                     ``server.FedProtoServer.aggregate``
eq. 7, the client's loss                     ``client.FedProtoClient.train``
eq. 8, the regulariser L_R                   ``prototypes.prototype_loss``
===========================================  =============================================

Where paper and code differ, or leave a choice:

* **Regulariser.** Eq. 8 sums the distances between two sets of prototypes; a batch has no
  prototypes, so each sample's features are compared with its class's global prototype, as
  both codes do. Like theirs, the distance is a mean square over batch and features; see
  ``settings.FedProtoSettings.proto_weight`` for what this does to the unit of lambda.
* **Weights.** Eq. 6 weighs holders by their counts, which sum to 1 over the holders, and then
  divides by the number of holders once more. That would shrink every prototype towards 0;
  the text speaks of averaging, so the second division is left out. The codes weigh all
  holders alike: ``aggregation="uniform"``.
* **When prototypes are taken.** Once, after local training, with the trained weights in
  evaluation mode over the whole training set, as eq. 3 says. The codes average the features
  met during training, while the weights moved.
* **Absent classes.** A class that no client of the round holds has no global prototype in
  the next one; nothing stale is kept. Samples of such a class meet no regulariser.
* **Candidates at test time.** All classes with a global prototype, and the client's own mean
  for a class without one: before the first aggregation, or when none of the class's holders
  took part in the last round. Without the latter, a client could not recognise its own
  classes whenever their holders sat out. A class that neither knows is never chosen. The
  reference code considers only the classes of the client's own task.
* **Which prototypes at test time.** Training and evaluation share one message, so that a
  client is tested against the prototypes it was trained towards: those of the round before.
  A round-trip later they would be newer by one aggregation.
"""
