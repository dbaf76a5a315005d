"""FedKTL: clients of unlike architectures learn from what a server's image generator draws.

Zhang, Liu, Hua, Cao: "An Upload-Efficient Scheme for Transferring Knowledge From a
Server-Side Pre-trained Generator to Clients in Heterogeneous Federated Learning",
CVPR 2024, https://arxiv.org/abs/2403.15760. Reference code:
https://github.com/TsingZ0/FedKTL at commit 42ac213.

Every client classifies by the cosine between its projected features and fixed directions,
one per class and the same for all, so that unlike models speak of classes in one space. It
uploads one direction per class it holds, its prototype. The server trains a small network
that sends prototypes to latent vectors which its generator takes for its own, and draws one
image from the mean vector of each class. Clients receive images and vectors, and in the
next round also learn to predict the vector from the image. The images need not look like
the classes: what is transferred is the structure of the generator's latent space.

===========================================  =============================================
simplex ETF classifier V                     ``etf.simplex_etf``
ArcFace loss L_A                             ``arcface.arcface_loss``
transfer loss L_M and head h'                ``client._Transfer``
L = L_A + mu L_M (step 6)                    ``client.FedKTLClient.train``
prototypes P (steps 1 and 2)                 ``prototypes.class_prototypes``
feature transformer F                        ``transformer.FeatureTransformer``
L_MMD                                        ``discrepancy.mmd``
L_MSE and domain alignment (step 3)          ``alignment.align``
latent centroids                             ``alignment.latent_centroids``
image-vector pairs (steps 4 and 5)           ``server.FedKTLServer.aggregate``
mu, lambda, eta_S by generator               ``automatic.automatic``
===========================================  =============================================

Where this differs from the reference code:

* **Centroids.** The code trains a table of centroids beside F, and a write-back that should
  set it to the means of F's outputs has no effect on the table, which then starts as
  Gaussian noise and is what clients receive. Here, as in the paper, centroids are those
  means, and the table is only their stand-in between two writes.
* **Statistics.** Centroids are computed with batch normalisation set to the statistics of
  the round's prototypes, as in training; with the code's running averages, the centroids of
  few clients end up far from every valid latent (``centroid-statistics``).
* **Absent classes.** The code ships a pair for every class, though the vector of a class
  that no one uploaded is noise or was made by an older F. Here such a class has no pair.
* **Bandwidths.** The fixed set of L_MMD leaves no gradient at the width of a diffusion
  model's noise; other generators than StyleGAN get the median heuristic
  (``mmd-bandwidths``).
* **Noise as latents.** Means of aligned prototypes are shorter than the noise that a
  diffusion model was trained on; ``project-centroids`` scales them to its length, sqrt(H).
* **Images per class.** One, from the centroid; ``images-per-class`` draws more from vectors
  near it (``variations.py``). Every image is sent with the vector it was drawn from.
* **No generator.** With ``transfer-weight=0`` the server draws and sends nothing, and clients
  learn by L_A alone: what is left of FedKTL without what it transfers.
* **Angles.** cos(theta + m) comes from the sum formula: the arc cosine gives NaN where
  rounding pushes a cosine past 1. The margin still bends back past 180 degrees, unless
  ``monotone-margin`` is on.
* **Batches.** All training samples are learnt from and enter the prototypes, in a new order
  each epoch; the code drops the last partial batch and never shuffles. On the server a
  remainder of one prototype joins the batch before it, and a lone one is normalised by
  running statistics.
* **Batch normalisation.** Generated images enter the clients' running statistics, as in the
  code; ``freeze-batch-norm`` keeps them out, and so does a batch of one image.
* **Transfer head.** It starts each round from the weights that all clients derive from the
  run's seed, as in the code, where the server hands them out;
  ``reset-transfer-head=false`` lets each client keep its own.
* **Projection.** One linear layer for every architecture; the code gives vision
  transformers a second one.
* **Evaluation.** After local training rather than before, on the same weights that made the
  prototypes.
* **No uploads.** The transformer stays as it is, nothing is sent in the next round and
  clients then learn without the transfer loss; the code stops.
"""
