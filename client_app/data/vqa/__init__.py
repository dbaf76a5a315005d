"""Visual question answering on real data: pictures, questions and annotators' answers.

A client answers from a list of its own: the answers most frequent in its training data.
"""
