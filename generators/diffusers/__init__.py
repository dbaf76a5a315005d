"""Diffusion models: pipelines of the library diffusers, from a folder or from the hub.

Stable Diffusion 1.x and 2.x, SDXL, their Turbo versions and latent consistency models. The
latent is the sampler's initial noise, as in FedKTL with Stable Diffusion: Zhang et al.,
"An Upload-Efficient Scheme for Transferring Knowledge From a Server-Side Pre-trained
Generator to Clients in Heterogeneous Federated Learning", CVPR 2024,
https://arxiv.org/abs/2403.15760. An image is a function of its latent and the settings.

========================================  ==============================================
``settings.py``                           the table ``diffusers``
``folder.py``                             where a pipeline lies, and whether it is one
``parts.py``                              networks, tokenizers and schedules, read safely
``sampling.py``                           sampler, steps and guidance, each with its reason
``geometry.py``                           sizes that the networks' files tell, checked
``pipeline.py``                           noise to pictures, with the prompt encoded once
``memory.py``                             how many images a GPU's memory holds at once
``silence.py``                            the libraries' progress bars and log lines
``generator.py``                          the generator that the server hosts
========================================  ==============================================

Nothing that a folder names is imported and nothing is unpickled: classes come from a fixed
list, weights from safetensors files alone. What is done here otherwise than in the
reference code: latents have unit variance, and the pipeline scales them to what its
sampler starts from; few-step samplers take the place of 50 steps of PNDM.
"""
