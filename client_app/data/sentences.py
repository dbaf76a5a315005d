"""``sentences``: short texts about six things, made here, without any network or file.

Each is put together by chance out of a frame and words that suit its subject, some of which suit
others too: one in eight words is of another subject. What a model learns of them says little about
language, and enough of whether a federation of text models works.
"""

import random
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from client_app.data.collection import Collection
from client_app.data.table_rows import texts_read
from client_app.data.words import Numbering
from strategies.common.settings import RunSettings

NUM_TEXTS: Final = 1800
# Of one draw of all texts: whoever names the source has the same.
_SEED: Final = 1
_STRAY: Final = 0.125

SUBJECTS: Final[Mapping[str, str]] = {
    "cooking": "bread butter dough flour garlic kettle knife ladle lemon onion oven pan pepper "
    "pot recipe rice salt sauce soup spoon sugar table tomato vinegar",
    "football": "ball captain coach corner crowd cup defender fans final goal keeper kick league "
    "match pass penalty pitch player referee season shot stadium team win",
    "garden": "apple bed bee bulb compost fence flower fork frost grass hedge hose leaf lettuce "
    "plum rain rake root rose seed shed soil spade tomato",
    "music": "band bass beat choir chord concert crowd drum ear flute guitar harp hall note organ "
    "piano player rhythm score singer song stage tune violin",
    "travel": "airport beach bridge bus castle coast flight guide harbour hotel island lake map "
    "mountain museum passport platform rail road season ship ticket train village",
    "weather": "breeze cloud coast cold drizzle fog forecast frost gale hail heat ice lightning "
    "mist mountain rain sky snow storm sun temperature thunder warm wind",
}
_FRAMES: Final = (
    "the {} and the {} were there before the {}",
    "nobody forgot the {} when the {} came with a {}",
    "a {} is worth more than a {} , she said , and less than any {}",
    "we saw the {} , then a {} , and at last the old {}",
    "without a {} there is no {} , and hardly ever a {}",
    "first the {} , later the {} : so it was with the {} as well",
    "they spoke of the {} all day , of its {} and of the new {}",
    "have you seen this {} ? it is near the {} , behind the {}",
)


def read(settings: RunSettings) -> Collection:
    """Return the texts, whose words are numbered on demand."""
    numbering = Numbering.of(settings)
    texts, labels = made()

    def chosen(rows: Tensor) -> list[str]:
        return [texts[row] for row in rows.tolist()]

    return Collection(
        torch.tensor(labels),
        tuple(SUBJECTS),
        texts_read(chosen, numbering, "sentences"),
        numbering=numbering,
    )


def made() -> tuple[list[str], list[int]]:
    """Return all texts, and the subject of each by its place."""
    drawn = random.Random(_SEED)  # noqa: S311 - nothing here is secret
    every = [words.split() for words in SUBJECTS.values()]
    texts, labels = [], []
    for number in range(NUM_TEXTS):
        label = number % len(every)
        words = [
            drawn.choice(drawn.choice(every) if drawn.random() < _STRAY else every[label])
            for _ in range(3)
        ]
        texts.append(drawn.choice(_FRAMES).format(*words))
        labels.append(label)
    return texts, labels
