"""LoRA among clients, aggregated right: updates are averaged, not their factors.

A low-rank update is a product B A (Hu et al., "LoRA", ICLR 2022). The mean of products is not
the product of mean factors, and ranks may differ by client. Three ways to aggregate:

* ``stack``: exact. A's below each other and weighted B's side by side (Wang et al., "FLoRA",
  NeurIPS 2024). The server adds each round's mean to what came before; clients hold the sum,
  frozen, and train fresh factors beside it.
* ``svd``: the nearest update of the largest rank (Bai et al., "FlexLoRA", NeurIPS 2024);
  clients go on from it, cut to their own rank.
* ``naive``: the mean of A's times the mean of B's, as most apps do; biased, and the journal
  says by how much.

Heads are private. Which layers are adapted: query and value projections.
"""
