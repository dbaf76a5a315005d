"""FedMRL: a small model that all share lends its features to each client's own, nested in them.

Yi et al., "Federated Model Heterogeneous Matryoshka Representation Learning", NeurIPS 2024,
https://arxiv.org/abs/2406.00488; codes https://github.com/LipingYi/FedMRL and HtFLlib's. Adaptive
representation fusion and multi-granular learning (algorithm 1): ``client.local_training``; the mean
of small models: ``server``. What is different:

* A client keeps its projection, as in the paper and the authors' code. HtFLlib never saves it: each
  round starts from the first one, which then classifies too: ``projection="fresh"``.
* Small models weigh by training samples, as in the paper; HtFLlib weighs them alike
  (``aggregation="uniform"``) and leaves out what batch normalisation measured.
* Tested is the client's head on features fused with those of the mean of all small models.
* Neither the authors' weight decay nor clipping; the small model's moments end with the round.
"""
