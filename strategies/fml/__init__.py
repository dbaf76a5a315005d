"""FML: each client trains a small model beside its own, each the teacher of the other.

The small one, the meme, is alike everywhere and is what travels. Shen et al., "Federated Mutual
Learning", 2020, https://arxiv.org/abs/2006.16765, eq. 6 and 7 and algorithm 1; codes
https://github.com/ZJU-DAI/Federated-Mutual-Learning and HtFLlib's. Both losses:
``client.local_training``; the mean of memes: ``server``. What is different:

* Each model learns from the other's outputs as they are: no gradient reaches the teacher, as in
  deep mutual learning, on which the paper builds. HtFLlib sends both losses through both models,
  one after the other, at twice the backward passes; ``detach=false`` has its gradients, of one
  pass back of both together.
* A divergence is the mean over a batch. HtFLlib divides by the number of classes once more:
  ``reduction="entries"``; and clips gradients of each model: ``max-norm=10``.
* What batch normalisation measured is averaged with the weights, as in the authors' code; HtFLlib
  leaves it out. Clients weigh alike, as in both codes, or by samples.
* Tested is the client's own model. Moments of the meme's optimiser end with the round.
"""
