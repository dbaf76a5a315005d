"""DigitGrid-VQA: questions on 2x2 grids of real handwritten digits, without any network.

Every cell of a picture holds one of scikit-learn's digits, enlarged to 16x16 pixels and
tinted with one of five colours. The questions are of five kinds, and their answers follow
from how the picture was made. The digits are dealt once to pretraining, to the clients'
training and to testing, so that clients are tested on handwriting that nobody has seen.

A picture and its question are a function of one row of random numbers, and so is all that a
domain does to the picture: the first samples stay the same when more are asked for.
"""
