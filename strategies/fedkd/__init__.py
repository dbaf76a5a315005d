"""FedKD: a model that stays teaches a small one, and learns of it, whose updates travel factorised.

Wu et al., "Communication-efficient federated learning via knowledge distillation", Nature
Communications 13, 2022, https://arxiv.org/abs/2108.13323; codes https://github.com/wuch15/FedKD and
HtFLlib's. Adaptive mutual distillation, eq. 1 to 6: ``client.local_training``; the dynamic
approximation of updates, eq. 7 and 8: ``low_rank``; their mean, approximated again: ``server``.
What is different:

* Both models learn in one step. What divides the losses, the sum of both tasks' losses (eq. 1 to
  4), and each teacher's outputs have no gradient; HtFLlib lets all of it learn, at twice the
  backward passes: ``detach=false``, of one pass back of both losses together, where the hidden
  loss, which both contain, counts once. There a divergence is divided by the number of classes
  once more (``reduction="entries"``) and gradients are clipped (``max-norm=10``).
* The hidden loss compares features, through a matrix that is the client's own; the paper compares
  attention too, which only transformers have.
* A convolution is factorised as the matrix from what it reads to what it puts out. Along its
  kernel, as in HtFLlib, nothing is saved. What factors would make longer travels as it is.
* The least rank that keeps the energy is at least 1. Both codes drop a tensor of which no smaller
  rank does; HtFLlib so erases weights, since it factorises these: ``factorise="parameters"``.
* Who sat out the last round has not got its update, and gets the whole: ``numbered_changes``.
* Tested is the client's large model, the mentor.
"""
