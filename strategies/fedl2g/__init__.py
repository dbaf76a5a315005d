"""FedL2G: vectors that the server learns guide local training, judged by samples held out of it.

Zhang et al., "FedL2G: Learning to Guide Local Training in Heterogeneous Federated Learning", 2024,
https://arxiv.org/abs/2410.06490; code by the authors, https://github.com/TsingZ0/FedL2G, and in
HtFLlib. Each client holds a quiz set out and learns from the rest, its study set. Local training
towards the vectors: ``client.local_training``; one step on study batches, as differentiable as the
quiz's loss after it is: ``client.guidance``; the server's step: ``server``. What is different:

* ``guidance`` is FedL2G-f (``"feature"``) or FedL2G-l (``"logit"``); steps of the server that suit
  them lie far apart (100 and 0.1 in the authors' settings).
* Which samples are the quiz follows from the samples alone, of those that a client has, so that it
  stays while others are added. Both codes take the first ones, which may be all of one class.
* Codes clip gradients at a norm of 100, of clients and of the server: ``max_norm``, 0 does not.
* A client's vectors travel for the classes that it studied in the round alone, as in both codes;
  with ``warm_up_rounds`` clients only study at first, and are tested all the same.
"""
