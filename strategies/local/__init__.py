"""Local: every client learns alone; the baseline that every federation has to beat.

Not a method from a paper but the control of all of them: the clients, splits, models,
seeds, order of batches, optimiser and rounds are those of any other method, and nothing
travels. "Rounds" times "local epochs" therefore costs a client exactly the passes over its
own data that the other methods make before they add their own terms.

What is computed: cross-entropy of the client's logits on its own training samples;
evaluated by the client's own head on its own test samples (``common/message.py``).
"""
