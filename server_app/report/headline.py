"""The top of the report: what was run, how it ended, and how that compares."""

from typing import Final

from server_app.comparison import ABSENT, Comparison, typical_bytes
from server_app.journal import RoundLine
from server_app.progress import format_bytes, format_duration
from server_app.report.markup import Html, block, element, join, text
from server_app.run_record import RunRecord
from strategies.methods import display_name

# Keeps a number and its unit on one line.
NARROW: Final = "\u202f"
_BY_SERVER: Final = (
    "Clients hold the first layers of a network and the server the rest, so the server tests: "
    "clients send it the activations and labels of samples, computed with the averaged client "
    "model after the round's synchronisation. Which samples and which test stands among what "
    "the server measured."
)
_BY_CLIENTS: Final = (
    "Every accuracy is that of a client's own model on the client's own test split{share}, which "
    "it never trains on, measured after training in that round; a client that sat a round out is "
    "tested as it is, or not at all. A round's mean covers the clients that reported in it and is "
    "weighted by their test samples; the spread is the standard deviation over those clients, "
    "unweighted. The headline is the last round; the best round is picked on the test splits "
    "themselves and therefore flatters, so it only stands beside the last."
)
_BYTES: Final = "Bytes are what crossed the network in replies that count, headers included."
_STREAMED_BYTES: Final = (
    "Bytes are what crossed the network in replies that count and on the stream of activations, "
    "headers included."
)


def title(run: RunRecord) -> str:
    """Name the run by its method and its data."""
    data = run.settings.get("data")
    return display_name(run.method) + (f" on {data}" if data else "")


def header(run: RunRecord) -> Html:
    """Return the title and one line of facts."""
    carried = sum(client.clients for client in run.clients.values())
    facts = [f"Run {run.name}", _count(carried, "client")]
    if carried > len(run.clients):
        facts.append(f"on {_count(len(run.clients), 'node')}")
    if run.class_names:
        facts.append(_count(len(run.class_names), "class", "classes"))
    partition = run.settings.get("partition")
    if str(run.settings.get("data")).startswith("folder:"):
        facts.append("each client's own data")
    elif _split_as_published(run):
        facts.append("split as published")
    elif partition == "dirichlet":
        facts.append(f"dirichlet partition, alpha {run.settings.get('dirichlet-alpha', ABSENT)}")
    elif partition:
        facts.append(f"{partition} partition")
    if "seed" in run.settings:
        facts.append(f"seed {run.settings['seed']}")
    parts = [text(" · ".join(facts))]
    if run.started:
        parts += [text(" · "), element("span", run.started, attributes={"class": "whole"})]
    line = element("p", *parts, attributes={"class": "facts"})
    return element("header", element("h1", title(run)), line)


def _split_as_published(run: RunRecord) -> bool:
    """Tell a source whose clients and test samples no setting decides on."""
    return str(run.settings.get("data")).startswith(("pfllib:", "digitgrid:", "vqa:"))


def cards(run: RunRecord, comparison: Comparison | None) -> Html:
    """Return the headline numbers."""
    told = [*_accuracy_cards(run)]
    if comparison is not None:
        value = f"{comparison.difference * 100:+.1f} points"
        other = f"{comparison.titles[1]} ends at {comparison.scores[1]:.3f}"
        told.insert(1, _card(f"Difference to {comparison.titles[1]}", value, other))
    typical = typical_bytes(run)
    value = (
        ABSENT
        if typical is None
        else " / ".join(format_bytes(n).replace(" ", NARROW) for n in typical)
    )
    told.append(_card("Up / down per client and round", value, "median"))
    asked = run.settings.get("rounds")
    note = f"of {asked} asked for" if asked else ""
    if stop := run.stop:
        note += f"; no gain on validation since round {stop.best_round}"
    told.append(_card("Rounds", str(len(run.rounds)), note))
    seconds = sum(line.seconds.get("total", 0.0) for line in run.rounds)
    unit = "h:min:s" if seconds >= 3600 else "min:s" if seconds >= 60 else ""
    told.append(_card("Total time", format_duration(seconds), unit))
    return element("dl", *told, attributes={"class": "cards"})


def verdict(comparison: Comparison, run: RunRecord, other: RunRecord) -> Html:
    """Say how the run compares, in plain words, with everything that limits the comparison."""
    federated = other.presentation.alone and not run.presentation.alone
    sentences = (*comparison.sentences(federated=federated), *comparison.caveats)
    paragraphs = [element("p", sentence) for sentence in sentences]
    paragraphs.append(
        element(
            "p",
            "One pair of runs shows one seed; run at least three before trusting a difference.",
            attributes={"class": "muted"},
        )
    )
    clear = abs(comparison.difference) > comparison.noise
    side = ("gain" if comparison.difference > 0 else "loss") if clear else "open"
    return block(f"verdict {side}", *paragraphs)


def method_of_measurement(run: RunRecord) -> Html:
    """Say how the numbers are made."""
    if any(n.tested_by == "server" for line in run.rounds for n in line.answered.values()):
        sentences = [_BY_SERVER, run.presentation.measurement, _STREAMED_BYTES]
        return element("p", " ".join(filter(None, sentences)))
    stated = run.presentation.measurement or _BY_CLIENTS.format(share=_share_tested(run))
    return element("p", " ".join([stated, *_about_classes(run), *_about_models(run), _BYTES]))


def _about_classes(run: RunRecord) -> list[str]:
    """Say what picks a class, where the model alone does not."""
    picks = run.presentation.classified_by
    return [f"What a test sample is taken for is decided by {picks}."] if picks else []


def _share_tested(run: RunRecord) -> str:
    fraction = run.settings.get("test-fraction")
    if _split_as_published(run) or not isinstance(fraction, float):
        return ""
    return f" ({fraction:.0%} of its samples)"


def _about_models(run: RunRecord) -> list[str]:
    """Say which models clients are tested with, where a client has several."""
    found = {name for line in run.rounds for name in line.scores}
    if not found:
        return []
    stated = run.presentation.models
    named = [name for name in stated if name in found] + sorted(found - stated.keys())
    told = "; ".join(f"{name}, {stated[name]}" if name in stated else name for name in named)
    counted = next((name for name in run.presentation.headline if name in found), None)
    headline = [f"The headline is {counted}."] if counted else []
    return [f"Some answer with several models: {told}.", *headline]


def _accuracy_cards(run: RunRecord) -> list[Html]:
    last, best = run.last, run.best
    if last is None or best is None or last.accuracy is None or best.accuracy is None:
        return [_card("Mean accuracy", ABSENT, "no client reported an accuracy")]
    final = last.round_number == run.rounds[-1].round_number
    when = f"{'last round' if final else 'last round that reported'} ({last.round_number})"
    scores = {c: n.accuracy for c, n in last.answered.items() if n.accuracy is not None}
    when += _of_all(run, last)
    if picks := run.presentation.classified_by:
        when += f", by {picks}"
    told = [_card("Mean accuracy", f"{last.accuracy:.3f}", when)]
    if last.accuracy_std is not None:
        told.append(_card("Spread over clients", f"± {last.accuracy_std:.3f}", "same round"))
    if scores:
        worst = min(scores, key=lambda client: scores[client])
        told.append(_card("Worst client", f"{scores[worst]:.3f}", f"client {worst}, same round"))
    where = f"round {best.round_number}{_of_all(run, best)}; last is {last.accuracy:.3f}"
    if best is last:
        where = f"round {best.round_number}, the last itself"
    told.append(_card("Best round", f"{best.accuracy:.3f}", where))
    return told


def _of_all(run: RunRecord, line: RoundLine) -> str:
    """Return of how many clients a mean accuracy is, where it is not of all."""
    if line.num_tested >= len(run.clients):
        return ""
    return f", {line.num_tested} of {_count(len(run.clients), 'client')}"


def _card(name: str, value: str, note: str) -> Html:
    small = element("small", note) if note else ""
    return element("div", element("dt", name), element("dd", join(element("b", value), small)))


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
