"""FedGen: the server learns what features of each class look like to all clients' heads.

Zhu, Hong and Zhou, "Data-Free Knowledge Distillation for Heterogeneous Federated Learning", ICML
2021, https://arxiv.org/abs/2105.10056; code by the authors, https://github.com/zhuangdizhu/FedGen.
Algorithm 1: users' steps, ``client.local_training``; eq. 4 and the diversity of its code,
``server.aggregate`` and ``generator``; averaging, ``common.group_means``. Paper and code differ, so
that ``mode`` chooses, and what is in neither is said here:

* ``"paper"``: noise is normal, labels follow the users' counts, the generator is taught by the
  cross-entropy of the mean logits, users weigh alike, and generated features as much as real ones.
* ``"official"``: noise is uniform, labels are those that some user holds, the generator is taught
  by each user's head as far as that user holds the label, models weigh by samples, generated
  features ten times as much as real ones, less each round, in the first 20 steps alone, and the
  distributions of generated features of the batch's own labels are distilled besides.
* Both have the code's diversity term; the generator is not used before it was taught once.
* ``sharing="head"`` shares the last layer only, for unlike models; the code's partial mode shares
  all. Whole models of unlike architectures have one mean each, and one generator for all heads.
* Statistics of batch normalisation are averaged; the code leaves them on each user.
* Counts are of training samples and travel with each upload, since who answers changes; the code
  counts the batches it draws, from one on.
* Steps are the run's local epochs and optimiser; its schedule takes the place of the code's decay.
"""
