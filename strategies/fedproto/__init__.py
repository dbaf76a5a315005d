"""FedProto: clients of unlike architectures agree on where each class lies in feature space.

Tan et al., "FedProto: Federated Prototype Learning across Heterogeneous Clients", AAAI 2022,
https://arxiv.org/abs/2105.00243; codes https://github.com/yuetan031/FedProto and HtFLlib's. Eq. 3,
7, 8: ``client.local_training``; 4: ``evaluate``; 6: ``server.aggregate``. What is different:

* Eq. 8 compares sets of prototypes, of which a batch has none: as in both codes each sample is
  compared with its class's prototype, in mean squares over batch and features.
* Eq. 6 divides by the number of holders though its weights sum to 1, which shrinks prototypes:
  left out. The codes weigh holders alike: ``aggregation="uniform"``.
* Prototypes are taken after training, as eq. 3 says; the codes average what is met on the way.
* A client is tested against the prototypes that it was trained towards, over all classes that
  have one and its own means for others; the code takes the client's own classes.
"""
