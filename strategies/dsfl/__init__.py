"""DS-FL: clients speak about open data, and learn from what all of them say together.

Itahara et al., "Distillation-Based Semi-Supervised Federated Learning for Communication-Efficient
Collaborative Training with Non-IID Private Data", IEEE TMC 2023, https://arxiv.org/abs/2008.06180.
A round: update and predict, ``client.train``; entropy reduction aggregation (ERA),
``server.together``; distillation, ``client.train`` of the next round.
Where the paper leaves a choice, or this differs:

* A client distils what the round before came to, then learns from its own labels and predicts, in
  one turn: the paper's round, cut at another place, so that a round is one message.
* ERA takes the softmax of probabilities, not of their logarithms: it lowers the entropy of a
  vector whose entries lie far enough apart beside the temperature, and raises that of others.
  ``temperature`` above one over the number of classes is noted. ``aggregation="power"`` is the
  enhanced rule of SCARLET (https://arxiv.org/abs/2504.19602), which always lowers it.
* Uploads of fewer bytes are not the paper's. The server's own model, which it evaluates, is kept
  where ``server_model`` names one, and travels to be tested alone, every few rounds, since the
  server has no test samples; newcomers begin with models of their own, which may be others.
"""
