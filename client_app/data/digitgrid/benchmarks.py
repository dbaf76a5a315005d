"""Three federations of unlike clients that ask questions about grids of digits.

``domain``
    Client k sees domain k mod 5 and asks all kinds of questions: 17 answers.
``function``
    Client k asks questions of kind k mod 5; all see one domain, which the foundation model
    was not pretrained on: 10, 5, 4, 10 and 2 answers.
``related``
    Client k sees relative k mod 5 of the inverted domain and asks all kinds of questions.

What can be had without a look at the picture, on 20,000 test questions of each client: one
constant answer is right on 10 % in ``domain`` and ``related``, and on 10, 20, 25, 10 and
50 % in ``function``; the best answer to each wording on 23 % in all three, on average over
five clients. There is no more to be had, since grids are drawn to fit their questions.
"""

from collections import Counter
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.digitgrid import domains, drawing, handwriting, painting, questions
from client_app.data.digitgrid.domains import Domain
from client_app.data.digitgrid.handwriting import Portion
from client_app.data.digitgrid.questions import Kind
from strategies.common import seeds
from strategies.common.errors import SettingsError
from strategies.common.samples import Samples

BENCHMARKS = ("domain", "function", "related")

# What all clients of ``function`` see.
SHIFT = "inverted"


def check(benchmark: str) -> None:
    """Refuse a name that is no benchmark's.

    Raises
    ------
    SettingsError
        With the known ones.
    """
    if benchmark not in BENCHMARKS:
        raise SettingsError(
            f"digitgrid: expected one of the benchmarks {', '.join(BENCHMARKS)}, got {benchmark!r}"
        )


def client(
    benchmark: str, client: int, num_train: int, num_test: int, seed: int
) -> tuple[Samples, Samples, tuple[str, ...]]:
    """Return what one client trains and tests on, and its own list of answers.

    A client's first samples stay the same when more are asked for; its list of answers is
    sorted by how often they are right in training, as lists of real answers are, and so
    differs between clients and may change with their number.

    Parameters
    ----------
    benchmark : str
        One of ``BENCHMARKS``.
    client : int
        Client, from 0; more than five repeat the kinds of clients with other samples.
    num_train, num_test : int
        Samples; each is one picture with one question.
    seed : int
        Root seed of the run.

    Returns
    -------
    tuple[Samples, Samples, tuple[str, ...]]
        Samples to train and to test on, their inputs (samples, 3, 32, 32) uint8 and their
        labels positions in the list; and the list of all answers that the client's
        questions can have.

    Raises
    ------
    SettingsError
        If the benchmark is unknown.
    DataError
        If scikit-learn, which holds the digits, is not installed.
    """
    domain, kind = _domain_and_kind(benchmark, client)
    sheet = handwriting.load()

    def ask(portion: Portion, count: int) -> _Part:
        purpose = f"digitgrid.{benchmark}.{portion.name.lower()}"
        drawn = drawing.draw(
            sheet, portion, kind, count, seeds.generator(seed, purpose, partition=client)
        )
        rendering = seeds.generator(seed, f"{purpose}.rendering", partition=client)
        return _Part(
            domain(painting.paint(drawn.grids, sheet), rendering),
            questions.wording(drawn.asked),
            questions.answers(drawn.grids, drawn.asked),
        )

    train, test = ask(Portion.CLIENTS, num_train), ask(Portion.TEST, num_test)
    answers = _answer_list(kind, train.answers)
    return train.samples(answers), test.samples(answers), answers


@final
@dataclass(frozen=True)
class _Part:
    images: Tensor
    questions: tuple[str, ...]
    answers: tuple[str, ...]

    def samples(self, answers: tuple[str, ...]) -> Samples:
        position = {answer: label for label, answer in enumerate(answers)}
        labels = torch.tensor([position[answer] for answer in self.answers], dtype=torch.int64)
        return Samples(self.images, labels, self.questions)


def _domain_and_kind(benchmark: str, client: int) -> tuple[Domain, Kind | None]:
    check(benchmark)
    if benchmark == "domain":
        return tuple(domains.DOMAINS.values())[client % len(domains.DOMAINS)], None
    if benchmark == "related":
        return domains.RELATED[client % len(domains.RELATED)], None
    return domains.DOMAINS[SHIFT], Kind(client % len(Kind))


def _answer_list(kind: Kind | None, given: tuple[str, ...]) -> tuple[str, ...]:
    possible = {word for each in Kind if kind in {None, each} for word in questions.ANSWERS[each]}
    counts = Counter(given)
    return tuple(sorted(possible, key=lambda word: (-counts[word], word)))
