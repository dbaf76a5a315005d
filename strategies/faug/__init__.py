"""FAug: labels that a client lacks, generated from a few samples of each that it uploads.

Jeong et al., "Communication-Efficient On-Device Machine Learning: Federated Distillation and
Augmentation under Non-IID Private Data", 2018, https://arxiv.org/abs/1811.11479, section 3. It
comes once, before the first round of any method whose clients train models of their own: target
and redundant labels, and seeds of both, ``client.Lacking`` and ``client.seeds_of``; oversampling,
``oversampling.oversampled``; the conditional GAN, ``gan.trained``; generating until no label is
scarce, ``client.generated``. Where the paper leaves a choice, or differs:

* It cuts target labels by hand. Here a label is a target if a client has fewer samples of it than
  a share of those of its commonest label; of one that it does not hold, others may have seeds.
* Its server looks for images like the seeds on the web. Here it turns, shifts and scales the
  seeds, or takes labelled open data of the same labels.
* It tells the generator's size: 100 to 256, 512, 1,024 and 784 with batch normalisation are its
  1,493,520 numbers, of which none depends on the label. A fixed code of signs for each label is
  added to the noise here; the discriminator, which stays on the server, reads the label.
* Labels of which the server got no seeds cannot be generated, and stay as they are.

Seeds reach the server as they are: nothing hides their pixels.
"""
