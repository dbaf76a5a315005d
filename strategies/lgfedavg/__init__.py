"""LG-FedAvg: clients keep feature extractors of their own and average the layer behind them.

Liang et al., "Think Locally, Act Globally: Federated Learning with Local and Global
Representations", 2020, https://arxiv.org/abs/2001.01523, section 3.1 and algorithm 1; codes
https://github.com/pliang279/LG-FedAvg and HtFLlib's. Global parameters are averaged by training
samples: ``server``; both parts learn from labels together: ``common/shared_head.py``. What is
different:

* What is global is the last layer alone, as in HtFLlib; the paper's split lies anywhere above the
  local part, which unlike models do not have alike. Its adversarial term is left out.
* In round 1 all clients learn from a head that the server draws; HtFLlib gives all client 0's.
* Tested is the client's extractor with the mean of all heads, as HtFLlib does; with
  ``test="trained"`` its own head, which has just learnt the client's labels.
"""
