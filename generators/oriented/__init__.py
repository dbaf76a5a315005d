"""Oriented noise: an untrained style-based generator whose filters are wavelets.

Nothing is learnt and no weight is loaded: a seed fixes the whole network. After
StyleGAN-Oriented in Baradad et al., "Learning to see by looking at noise", NeurIPS 2021,
https://arxiv.org/abs/2106.05963: a StyleGAN2 at random initialisation, with noise maps,
sparse connections and oriented wavelets in place of random kernels, whose images suffice
to learn useful features from.

========================================  ==============================================
``mapping.py``                            z to w, the latent space
``wavelets.py``                           the oriented filters
``layers.py``                             waves, one styled layer, and one layer to colours
``synthesis.py``                          w to an image, from 4 pixels up to the full size
``generator.py``                          the generator that the server hosts
========================================  ==============================================

What is built here differs from the paper's network in four ways: an output channel owns
one wavelet, which it applies to its mix of input channels; the response of a channel is
normalised as measured, because oriented filters answer smooth and rough inputs very
unequally; the coarsest map is a set of plane waves that a style shifts, so that layouts
differ too; contrast and base colour are set per image.
"""
