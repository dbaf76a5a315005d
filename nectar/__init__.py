"""Nectar from Python: play a federation in a script, in a notebook cell or under a debugger.

    from nectar import play

    run = play(method="fedproto", clients=4, rounds=3, fedproto__proto_weight=1.0)
    run.accuracy

``play`` plays, ``read`` opens what was played; both return a ``Run``; ``compare`` writes one page
of several. What is refused or goes wrong is a ``NectarError``. ``Images``, ``Windows`` and
``Tokens`` are what a model of one's own is built for. ``nectar.flower`` has methods as Flower's
strategies. It can be imported in any folder after ``make install``, or where the checkout is on
``PYTHONPATH``.
"""

from nectar.checkout import at_hand

with at_hand():
    from nectar.door import compare, play, read
    from nectar.run import Run
    from strategies.common.errors import NectarError
    from strategies.common.inputs import Images, Tokens, Windows

__all__ = ["Images", "NectarError", "Run", "Tokens", "Windows", "compare", "play", "read"]
