"""StyleGAN generators from published files, rebuilt from their formulas.

Three families share this package: StyleGAN2 (Karras et al., "Analyzing and Improving the
Image Quality of StyleGAN", CVPR 2020, and its ADA release), StyleGAN3 (Karras et al.,
"Alias-Free Generative Adversarial Networks", NeurIPS 2021, configurations T and R) and
StyleGAN-XL (Sauer et al., SIGGRAPH 2022).

Their published files are pickles that carry source code, which every known loader
executes. Nothing in a file is executed here: ``unpickling`` turns it into inert records,
``description`` reads geometry and tensors off the records, and ``network`` computes with
modules of its own. A file of another maker works as long as its records have the same
names and shapes.
"""
