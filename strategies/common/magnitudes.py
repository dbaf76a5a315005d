"""How large uploads are beside each other, so that one client cannot drown or end a run.

Each row of a field is as large as its values' root mean square; what is a change of something
that was sent counts by its distance from that. A client whose row is far larger than what is
typical of the round is refused, by name, before anything is averaged. What a model puts out is
compared with that of its like, where there are enough, since unlike models have features of
unlike scale; else with everyone's, in a wider bound. Where fewer than three clients can be
compared, a limit that no learning reaches stands in.

What stays within the bound is not found here: a sign that is flipped, a change that is five
times too large, rows that lie about where classes are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median_low
from typing import Final, final

import torch
from torch import Tensor

from strategies.common.payload import Payload, Rule, rules_of

# Times what is typical. Honest clients of the tests' federations stay below 5, and an upload
# that was multiplied by ten comes to about ten.
FACTOR: Final = 8.0
# Times what is typical of clients whose models are unlike: before prototypes have pulled features
# together, honest ones that learn well reach 18.
UNLIKE_FACTOR: Final = 30.0
# Who has more samples may go farther in a round, but not for ever: counts are told, not known.
MOST_STEPS: Final = 10.0
# Adapters move by an optimiser's steps, which are alike on all clients: honest ones stay below 2.
ADAPTER_FACTOR: Final = 5.0
# So many clients tell what is typical although one of them lies.
QUORUM: Final = 3
# A change of weights below this share of what was sent does nothing.
SLACK: Final = 0.05
# What is smaller than this says nothing, whatever others send; changes of weights are small.
_NOTHING: Final = 1e-3
_NO_CHANGE: Final = 1e-6
# Where there are too few clients to compare: times what was sent, and in itself.
_ALONE_BESIDE_SENT: Final = 100.0
_ALONE_CHANGE: Final = 100.0
_ALONE: Final = 1e6


@final
@dataclass(frozen=True)
class Size:
    """How large one field of an upload is.

    Attributes
    ----------
    rows : tuple[float, ...]
        Root mean square of each row.
    beside : float
        Root mean square of what it is a change of; 0 where it is no change.
    learnt : bool
        Whether it grows with the steps that a client makes, as changes of weights do.
    slack : float
        Share of ``beside`` that is never too much, whatever others do.
    factor : float
        Times what is typical that is not yet too much.
    share : float
        What is typical is as large as what this share of clients stays within.
    whole : bool
        Whether it is of a whole model, of whose steps those of another architecture tell little.
    weights : float
        Root mean square of the whole model's weights that were sent, or that came where none were.
    """

    rows: tuple[float, ...]
    beside: float = 0.0
    learnt: bool = False
    slack: float = SLACK
    factor: float = FACTOR
    share: float = 0.5
    whole: bool = False
    weights: float = 0.0

    @property
    def largest(self) -> float:
        """The largest row's size; 0 without rows."""
        return max(self.rows, default=0.0)

    @property
    def usual(self) -> float:
        """What its rows are like: the middle one of changes, and all together of what is put out.

        Most classes' features may be near 0, and the middle row then says nothing of the others.
        """
        if self.learnt:
            return median_low(self.rows)
        return math.sqrt(fmean(row * row for row in self.rows))

    @property
    def alone(self) -> float:
        """Largest size where there is nobody to compare with."""
        if self.beside:
            return _ALONE_BESIDE_SENT * self.beside
        return _ALONE_CHANGE if self.learnt else _ALONE

    @property
    def harmless(self) -> float:
        """Size up to which nothing can come of it."""
        return max(self.slack * self.beside, _NO_CHANGE if self.learnt else _NOTHING)

    def of_whole_model(self) -> "Size":
        """Return the same of a whole model: as a share of what was sent, whatever its width."""
        if not self.beside:
            return replace(self, whole=True, weights=self.largest if self.learnt else 0.0)
        rows = tuple(row / self.beside for row in self.rows)
        return replace(self, rows=rows, beside=1.0, whole=True, weights=self.beside)


Sizes = Mapping[str, Size]


def sizes_of(
    uplink: Payload,
    sent: Mapping[str, Tensor | None] | None = None,
    *,
    slack: float = SLACK,
    factor: float = FACTOR,
) -> dict[str, Size]:
    """Return the sizes of an upload's floating-point fields, none of what is not compared.

    Parameters
    ----------
    uplink : Payload
        What a client sent.
    sent : Mapping[str, Tensor | None] | None
        By field that holds weights: what the client started from, of the shape of one row.
    slack : float
        As of :class:`Size`; above 1 where clients' steps are unlike by design.
    factor : float
        As of :class:`Size`; smaller where their steps are alike.
    """
    found: dict[str, Size] = {}
    if not uplink.compared:
        return found
    for name, rule in rules_of(type(uplink)).items():
        value: Tensor | None = getattr(uplink, name)
        if rule.kind == "float" and value is not None:
            size = _size(value, rule, (sent or {}).get(name))
            found[name] = replace(size, slack=slack, factor=factor)
    return found


def together(values: Tensor) -> Size:
    """Return how large all values of a change are together, whatever their shape."""
    return Size(_rms(values.double().reshape(1, -1)), learnt=True)


def too_large(
    sizes: Mapping[int, Sizes],
    samples: Mapping[int, int],
    models: Mapping[int, str] | None = None,
) -> dict[int, str]:
    """Return what is too large, by the clients that sent it.

    Parameters
    ----------
    sizes : Mapping[int, Mapping[str, Size]]
        Of every upload of a round, by client.
    samples : Mapping[int, int]
        Training samples of each.
    models : Mapping[int, str] | None
        Name of each one's model, where they may be unlike; ``None`` for the same model everywhere.

    Returns
    -------
    dict[int, str]
        Field, expected and got, of the first field that is too large.
    """
    found: dict[int, str] = {}
    # What was never sent to a client has grown from nothing, and is no change beside others'.
    fields = ((name, bool(size.beside)) for own in sizes.values() for name, size in own.items())
    for name, was_sent in dict.fromkeys(fields):
        held = {
            client: own[name]
            for client, own in sizes.items()
            if name in own and bool(own[name].beside) is was_sent
        }
        weights = [own[name].weights for own in sizes.values() if name in own]
        for client, reason in _too_large(held, samples, models or {}, weights).items():
            found.setdefault(client, f"{name}: {reason}")
    return found


def unsettled(sizes: Mapping[int, Sizes], models: Mapping[int, str] | None = None) -> str | None:
    """Return what is far larger at one of two clients than at the other, or ``None``.

    Of two nobody can tell which is wrong: neither is refused, and whoever reads the journal is
    told.

    Parameters
    ----------
    sizes : Mapping[int, Mapping[str, Size]]
        Of every upload of a round that was not too large, by client.
    models : Mapping[int, str] | None
        As of :func:`too_large`.
    """
    for name in dict.fromkeys(name for own in sizes.values() for name in own):
        held = {c: own[name] for c, own in sizes.items() if name in own and own[name].rows}
        if not 1 < len(held) < QUORUM:
            continue
        (less, small), (more, large) = sorted(held.items(), key=lambda item: item[1].largest)
        factor = UNLIKE_FACTOR if _are_unlike([less, more], large, models or {}) else large.factor
        usual = max(small.usual, large.harmless / factor)
        if large.largest > factor * usual:
            return (
                f"{name}: client {more} sent {large.largest / usual:.3g} times what client {less} "
                f"did; of two clients nobody can tell which is wrong, and both count"
            )
    return None


def _too_large(
    held: Mapping[int, Size],
    samples: Mapping[int, int],
    models: Mapping[int, str],
    weights: Sequence[float],
) -> dict[int, str]:
    telling = [client for client, size in held.items() if size.rows]
    if len(telling) < QUORUM:
        alone = {client: _too_large_alone(held[client], weights) for client in telling}
        return {client: reason for client, reason in alone.items() if reason}
    usual = median_low(samples[client] for client in telling)
    found = {}
    for client in telling:
        size = held[client]
        steps = min(MOST_STEPS, max(1.0, samples[client] / usual)) if size.learnt else 1.0
        bounds = _bounds(size, models.get(client), {c: held[c] for c in telling}, models)
        times, typical, whose = min(bounds, key=lambda bound: bound[0] * bound[1])
        limit = max(times * steps * typical, size.harmless)
        if size.largest > limit:
            told = f"{times * steps:g} times what is typical of this round's {whose}"
            if limit == size.harmless:
                told = f"which is more than {told}"
            found[client] = f"expected values of {limit:.3g} at most, {told}, got {_got(size)}"
    return found


def _too_large_alone(size: Size, weights: Sequence[float]) -> str | None:
    """Hold what nobody else sent the like of to a limit, and a new model to others' weights."""
    limit, told = size.alone, ""
    if size.whole and size.learnt and not size.beside and len(weights) >= QUORUM:
        limit = UNLIKE_FACTOR * median_low(weights)
        told = f", {UNLIKE_FACTOR:g} times what is typical of this round's {len(weights)} models"
    if size.largest <= limit:
        return None
    return f"expected values of {limit:.3g} at most{told}, got {_got(size)}"


def _bounds(
    size: Size, model: str | None, held: Mapping[int, Size], models: Mapping[int, str]
) -> list[tuple[float, float, str]]:
    """Return the bounds that hold for a client: how many times what is typical, and of whom."""
    everyone = f"{len(held)} clients"
    if not _are_unlike(held, size, models):
        return [(size.factor, _typical(held), everyone)]
    # Whoever names a model of its own, or does so with others, is still within this one.
    bounds = [(UNLIKE_FACTOR, _typical(held), f"{everyone} with unlike models")]
    like = {client: own for client, own in held.items() if models.get(client) == model}
    if len(like) >= QUORUM:
        bounds.append((size.factor, _typical(like), f"{len(like)} clients with {model}"))
    return bounds


def _typical(held: Mapping[int, Size]) -> float:
    # One voice for each client, however many rows it sends.
    sizes = sorted(size.usual for size in held.values())
    return sizes[int(next(iter(held.values())).share * (len(sizes) - 1))]


def _are_unlike(clients: Iterable[int], size: Size, models: Mapping[int, str]) -> bool:
    """Tell whether unlike models put a field out, or hold it; weights that all share never are."""
    return (size.whole or not size.learnt) and len({models.get(client) for client in clients}) > 1


def _got(size: Size) -> str:
    what = "a change of" if size.beside else "values of"
    of_sent = " of what was sent" if size.whole and size.beside else ""
    return f"{what} {size.largest:.3g}{of_sent} (root mean square)"


def _size(value: Tensor, rule: Rule, sent: Tensor | None) -> Size:
    # In double precision: the square of what a float can hold leaves a float.
    rows = value.detach().to("cpu", torch.float64)
    rows = rows[None] if len(rule.axes) == 1 else rows.flatten(1)
    learnt = rule.means in ("weights", "update")
    if rule.means != "weights" or sent is None or not sent.numel():
        return Size(_rms(rows), learnt=learnt)
    base = sent.detach().to("cpu", torch.float64).flatten()
    (beside,) = _rms(base[None])
    return Size(_rms(rows - base), beside, learnt)


def _rms(rows: Tensor) -> tuple[float, ...]:
    if not rows.numel():
        return ()
    return tuple(rows.square().mean(1).sqrt().tolist())
