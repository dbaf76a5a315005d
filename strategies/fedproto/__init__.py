"""FedProto: clients of unlike architectures agree on where each class lies in feature space.

Tan et al., "FedProto: Federated Prototype Learning across Heterogeneous Clients", AAAI 2022,
https://arxiv.org/abs/2105.00243. Code: https://github.com/yuetan031/FedProto, and ``clientproto``
in https://github.com/TsingZ0/HtFLlib, to which this one is compared.

Equations 3, 7 and 8 are in ``client.local_training``, 4 in ``client.evaluate``, 6 in
``server.aggregate``. Where this differs from paper or codes:

* Eq. 8 compares sets of prototypes, of which a batch has none: as in both codes each sample is
  compared with its class's prototype, in mean squares over batch and features.
* Eq. 6 divides by the number of holders though its weights sum to 1, which would shrink every
  prototype towards 0: left out. The codes weigh holders alike: ``aggregation="uniform"``.
* Prototypes are taken after training, in evaluation mode, as eq. 3 says; the codes average
  features met on the way. A class that no client of a round holds has none in the next.
* A client is tested against the prototypes that it was trained towards, over all classes that
  have one, and its own means for classes without; the code takes the client's own classes.
"""
