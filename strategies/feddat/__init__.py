"""FedDAT: a shared adapter that travels, taught by a dual adapter that does not.

Chen, Zhang, Krompass, Gu, Tresp, "FedDAT: An Approach for Foundation Model Finetuning in
Multi-Modal Heterogeneous Federated Learning", AAAI 2024, https://arxiv.org/abs/2308.12305.

All clients hold one frozen foundation model. Each trains a copy of the shared adapter (A_s),
which is averaged, and an adapter of its own (A_c), which never leaves it. The mean of A_c
and a frozen copy of the received A_s is the dual-adapter teacher: it knows this client and
all others, and teaches the shared adapter, which teaches it in turn. Every client has its
own list of answers and a private head for it.

Where the release differs, the paper is followed: the client's own adapter learns in every
round, not in the first alone; alpha and beta are settings; losses are not halved, which
AdamW would not notice. The rate follows one schedule over the whole run for every method.
"""
