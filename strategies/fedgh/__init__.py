"""FedGH: a head that the server trains on the mean features of all clients' classes.

Yi et al., "FedGH: Heterogeneous Federated Learning with Generalized Global Header", ACM Multimedia
2023, https://arxiv.org/abs/2303.13137, algorithm 1; codes https://github.com/LipingYi/FedGH and
HtFLlib's. Local training from the global head on: ``common/shared_head.py``; each class's mean
feature: ``client.sent``; the head's own training: ``server.lesson``. What is different:

* The paper trains the head client by client, in the order of arrival. Here, as in HtFLlib, on
  batches of all means of a round, in an order that the seed alone decides.
* Means are of the trained model, evaluating. Round 1 begins with a head that the server draws.
* The authors' code steps an optimiser that does not hold the head, which so never moves.
"""
