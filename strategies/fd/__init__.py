"""FD, federated distillation: every device is taught by the average output of all others.

Jeong, Oh, Kim, Park, Bennis, Kim: "Communication-Efficient On-Device Machine Learning:
Federated Distillation and Augmentation under Non-IID Private Data", 2018,
https://arxiv.org/abs/1811.11479. There is no reference code by the authors; a later
implementation is in https://github.com/TsingZ0/HtFLlib (``clientfd.py``, ``serverfd.py``).

While it trains, a device averages the softmax outputs of its model by true label: one
distribution per label it holds. The server gives each device the average of the *other*
devices' distributions, and the device pulls its outputs for samples of a label towards the
others' distribution for that label. What travels is a table of classes by classes, whatever
the models; only the classes must agree.

===========================================  =============================================
algorithm 1, local average per label         ``soft_labels.soft_labels``
algorithm 1, device's loss                   ``client.FDClient.train``
algorithm 1, distillation regulariser        ``soft_labels.distillation_loss``
algorithm 1, global average without oneself  ``soft_labels.Pool``, ``server.FDServer.downlink``
===========================================  =============================================

Where the paper leaves a choice, or a common implementation differs:

* **Labels that a device lacks.** The paper divides by the number of devices less one, and by
  a device's own count even if that is 0. Here sums run over holders: a teacher's row is the
  mean over the *other holders* of the label, and a label without another holder has no row
  and no distillation. With every label on every device this is the paper's formula.
* **Partial participation**, which the paper does not treat: a device that sat out the last
  round gets the mean of all its holders. Only the last round's tables are kept.
* **Weight of the distillation.** Not given; see ``settings.FDSettings``.
* **Which outputs.** Algorithm 1 takes the outputs after a step, which would cost a second
  forward pass; here they are those of the pass that the step learns from, in training mode.
  A round's average runs over all its steps, as in the paper, so early outputs count as much
  as late ones; a step is a batch and a round is ``local-epochs`` passes.
* **Distributions, not logits.** Uploads are checked to be distributions. HtFLlib averages raw
  logits with one's own among them; used as targets of a cross-entropy those leave the loss
  without a lower bound, and training diverges.
* **Not built:** FAug, the paper's second half, in which devices upload seed samples and
  download a conditional GAN.
"""
