"""FedAvg: clients with models of one architecture share the mean of their weights.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS
2017, https://arxiv.org/abs/1602.05629 (algorithm 1: ``client.local_training``,
``server.aggregate``); FedProx's term, Li et al., "Federated Optimization in Heterogeneous
Networks", MLSys 2020, https://arxiv.org/abs/1812.06127, eq. 2. Where this differs:

* Clients of unlike models form a group for each architecture, whose members start from the same
  weights and share one mean. Who is alone with its architecture learns alone, and is named.
* Running means and variances of batch normalisation are averaged with the weights, as in most
  codes; the paper has no such layers.
* Moments of a client's optimiser belong to the weights that it sent, and start afresh.
* What is tested is the mean, by each client on its own samples, for which it travels down once
  more in every round; ``test="trained"`` tests what a client made of it, and costs nothing.
"""
