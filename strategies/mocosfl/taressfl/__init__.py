"""TAResSFL: a client model that is trained against decoders, then shipped and frozen.

What a client sends can be turned back into the image: with a few images like the client's,
a decoder from activations to pixels is trained in a minute. TAResSFL (target-aware ResSFL;
Li, Lyu, Iso, Chakrabarti, Spranger: "MocoSFL", ICLR 2023,
https://openreview.net/forum?id=2QGJXyMNoPz) pretrains the client model at the server, on
images of its own, so that its features serve while decoders fail. Clients then never train
it: no gradient comes down that a server could misuse, and no weights go up.

``pretraining.py`` and ``adversary.py`` train; ``attack.py`` and ``refinement.py`` attack what
was trained, from scratch; ``gate.py`` judges by these attacks alone; ``expert.py`` is the file
that a run names in ``mocosfl.expert``. ``python -m taressfl`` does it all.

Deviations from the authors' code: decoders have group normalisation, since with batch
normalisation the one that is evaluated reads far worse than the one that is trained, and
nothing is ever pushed; several of them take several steps each and are replaced in turn; the
attack has several capacities and seeds, refines its best reconstructions, sees no JPEG
artefacts and counts by its best result; the expert carries all momentum copies.
"""
