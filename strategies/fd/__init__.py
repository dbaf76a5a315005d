"""FD, federated distillation: every device is taught by the average output of all others.

Jeong et al., "Communication-Efficient On-Device Machine Learning: Federated Distillation and
Augmentation under Non-IID Private Data", 2018, https://arxiv.org/abs/1811.11479; no code by the
authors, a later one in https://github.com/TsingZ0/HtFLlib (``clientfd``, ``serverfd``).

While it trains, a device averages its softmax outputs by true label. The server gives each the
average of the *other* devices' (algorithm 1: ``client.local_training``, ``server.personal``).
Where the paper leaves a choice, or a common implementation differs:

* The paper divides by the number of devices less one, and by a device's own count even if it
  is 0. Here a teacher's row is the mean over the *other holders* of a label; without one there
  is no row: with all labels everywhere the paper's formula. Who sat out gets the mean of all.
* Outputs are those of the pass that a step learns from, over all steps of the round.
* Uploads are distributions. HtFLlib averages logits, which leave the loss without lower bound.
* FAug, the paper's second half, comes before the first round of any method: ``strategies/faug``.
"""
