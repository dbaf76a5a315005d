"""FedProto: clients of unlike architectures agree on where each class lies in feature space.

Tan et al., "FedProto: Federated Prototype Learning across Heterogeneous Clients", AAAI 2022,
https://arxiv.org/abs/2105.00243; codes https://github.com/yuetan031/FedProto and HtFLlib's. Eq. 3,
7, 8 and 4: ``common/prototype_client.py``; 6: ``server.aggregate``. What is different:

* Eq. 8 compares sets of prototypes, of which a batch has none: as in both codes each sample is
  compared with its class's prototype, in mean squares over batch and features.
* Eq. 6 divides by the number of holders though its weights sum to 1, which shrinks prototypes:
  left out. The codes weigh holders alike: ``aggregation="uniform"``, and then no counts are sent.
* Prototypes are taken after training, as eq. 3 says; the codes average what is met on the way.
* As in both codes a client is tested by the prototypes that the round's aggregation made; it has
  its own mean for a class of its own that nobody sent, which the codes then never choose.
* The authors' code chooses among the client's own classes, HtFLlib among all: ``test_classes``.
"""
