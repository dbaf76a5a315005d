"""FedAvg on bottleneck adapters: what FedDAT is to be compared with.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
AISTATS 2017, on the adapters of a frozen foundation model; heads are private, as FedDAT's.

One method serves four baselines: averaging in every round; the same at FedDAT's compute
(``compute=2.3333``: FedDAT makes three forward and two backward passes per batch where this
makes one of each, 7 to 3 if a backward pass costs two forward ones); averaging for some
rounds and fine-tuning alone thereafter (``shared-rounds=n``); and every client alone from the
beginning (``shared-rounds=0``).
"""
