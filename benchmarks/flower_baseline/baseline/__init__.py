"""A Flower app as its quick start has it: FedAvg, one train and one evaluate message."""
