"""Pretrained vision-language models on a device's disk, read behind one protocol.

Nothing here imports transformers until a model is asked for.
"""
