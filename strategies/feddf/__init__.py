"""FedDF: the server distils all clients' models into one student for each architecture.

Lin et al., "Ensemble Distillation for Robust Model Fusion in Federated Learning", NeurIPS 2020,
https://arxiv.org/abs/2006.07242 (algorithms 1 and 3: ``server.aggregate``); code by the authors,
https://github.com/epfml/federated-learning-public-code. What is different:

* A student starts at the mean of its group, weighed by samples as in the paper, and is taught by
  the mean logits of all clients of the round, of whatever architecture (AVGLOGITS).
* A round distils a fixed number of steps: the paper's early stopping asks for labelled samples on
  the server. So does leaving out models that hardly learnt, which is off unless ``drop_worst`` says
  otherwise; they are then in no mean and teach nobody, and if all hardly learnt, none is left out.
* Statistics of batch normalisation are averaged, and go on with the open data while a student
  learns. Clients test what came of it.
"""
