"""FedTGP: prototypes that the server learns, so that classes lie apart whoever's models map them.

Zhang et al., "FedTGP: Trainable Global Prototypes with Adaptive-Margin-Enhanced Contrastive
Learning for Data and Model Heterogeneity in Federated Learning", AAAI 2024,
https://arxiv.org/abs/2401.03230; codes https://github.com/TsingZ0/FedTGP and HtFLlib's. Eq. 3 and
4, clients as FedProto's: ``common/prototype_client.py``; 5, contrast with a margin, and 6 and 7,
the margin: ``server``, ``contrast``. What is different:

* The margin is the largest distance between two classes' mean prototypes, as eq. 6 has it. The
  codes take the largest distance to the *nearest* other class: ``margin="nearest"``.
* Both codes send prototypes of the model as it was *before* the round's training:
  ``prototypes="before"``. Here they are those of the trained one, as in algorithm 1.
* Distances are taken from differences; those of the codes, expanded, are NaN where rounding makes
  a square negative, and have no gradient at 0.
* Of a class that nobody ever sent there is no prototype; the codes send its random one.
* Tested as in FedProto, whose settings these are.
"""
