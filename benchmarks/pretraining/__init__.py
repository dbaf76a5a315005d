"""Pretraining of a small StyleGAN2, to measure what pretrained knowledge is worth."""
