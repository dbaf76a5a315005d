"""FedMD: unlike models agree on the logits of public samples, which all of them digest.

Li and Wang, "FedMD: Heterogenous Federated Learning via Model Distillation", 2019,
https://arxiv.org/abs/1910.03581; code by the authors, https://github.com/diogenes0319/FedMD_clean.
Algorithm 1: transfer and communicate, ``client.train``; aggregate, ``server.together``; distribute,
digest and revisit, ``client.train`` of the next round. Where the paper leaves a choice, or differs:

* A client digests what the round before came to, revisits its own samples and speaks, in one turn:
  the paper's round, cut at another place, so that a round is one message.
* Transfer learning on the public samples' labels is a client's first turn, if ``pretrain_epochs``
  asks for it, in a fixed number of passes; the code stops early by the *test* samples. It takes
  public samples of the clients' own classes. The private samples of that turn get the local epochs
  of any other, and no phase until convergence.
* Digesting minimises the mean absolute difference of logits, as in the code; the paper names none.
* The paper lets two weak models weigh less (c_k), by hand: clients weigh alike, or by samples.
"""
