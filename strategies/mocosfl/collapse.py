"""Whether the contrast collapsed, in words.

A network that maps every image to one point cannot tell keys apart: the loss stands at its
value for guessing. In the authors' logs of pretraining 9 of 25 runs end so, some with all
queries right by a hair and a loss that is nearly as high.
"""

import math
from collections.abc import Mapping

_GUESSING = 0.995
_RARELY = 0.01
_HIGH = 0.75
_ALWAYS = 0.99
_POINT = 0.05

_ADVICE = (
    "lower mocosfl.learning-rate, raise mocosfl.warmup-steps, the batch or the pool, or, with a "
    "deep cut, set mocosfl.average-momentum; then start anew"
)


def collapse_notes(numbers: Mapping[str, float], memory_size: int, terms: int) -> tuple[str, ...]:
    """Say what is wrong with a session, if anything is.

    Parameters
    ----------
    numbers : Mapping[str, float]
        ``loss``, ``contrast_accuracy`` and ``key_spread`` of the session.
    memory_size : int
        Keys that each query was told from (K).
    terms : int
        Terms of the loss: 2 where it is symmetric.
    """
    if not numbers:
        return ()
    loss, accuracy = numbers["loss"], numbers["contrast_accuracy"]
    guessing = terms * math.log(memory_size + 1)
    told = f"the loss is {loss:.4g} of {guessing:.4g} for guessing"
    if numbers["key_spread"] < _POINT:
        return (
            f"mocosfl: collapsed: keys of all images lie within {numbers['key_spread']:.2g} of "
            f"one point (1 is all over the space), {told}; {_ADVICE}",
        )
    if loss > _GUESSING * guessing and accuracy < _RARELY:
        return (
            f"mocosfl: learns nothing: {told} and {100 * accuracy:.2g} % of queries find their "
            f"key; if later rounds say so too, it collapsed: {_ADVICE}",
        )
    if loss > _HIGH * guessing and accuracy > _ALWAYS:
        return (
            f"mocosfl: near collapse: {100 * accuracy:.3g} % of queries find their key, but by "
            f"a hair: {told}; {_ADVICE}",
        )
    return ()
