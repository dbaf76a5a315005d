"""What one client trains and tests on, and how it is kept in a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from strategies.common.inputs import Inputs, inputs_of
from strategies.common.samples import Samples

_SPLITS = ("train", "test")


@final
@dataclass(frozen=True)
class ClientData:
    """What one client trains and tests on.

    Attributes
    ----------
    train, test : Samples
        The client's own split; inputs of both are of one kind and size.
    num_classes : int
        Classes of the whole federation, whether or not this client has samples of each.
    class_names : tuple[str, ...]
        One name per class.
    notes : tuple[str, ...]
        What the user should know, in plain sentences.
    vocabulary : int
        Of tokens; 0 for all other inputs.
    words : str
        Digest of whatever decides which token a word is, or which column of a table is which
        number; empty where that is not known.
    dealt : str
        Digest of the labels of all rows that were dealt, of which this client has its share;
        empty where the data are the client's own.
    counted : bool
        Whether the number of classes follows from the highest label that was found.
    split, contents : str
        Short names of the split that the samples are dealt by, ``kept:...`` or ``dealt:...``, and
        of the samples themselves; empty where they follow from settings alone.
    standing : Tensor | None
        (training samples,) float64, of a split that is kept, as ``keeper.Settled`` has it.
    num_first_train : int
        Training samples when that split was dealt.
    read_as : str
        Digest of the columns that are read of a table.
    """

    train: Samples
    test: Samples
    num_classes: int
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    vocabulary: int = 0
    dealt: str = ""
    counted: bool = False
    split: str = ""
    contents: str = ""
    standing: Tensor | None = None
    num_first_train: int = 0
    words: str = ""
    read_as: str = ""

    @property
    def inputs(self) -> Inputs:
        """What one input is, by the tensor's type and axes."""
        return inputs_of(self.train.inputs, self.vocabulary)


def to_file(data: ClientData) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and text that :func:`from_file` reads back."""
    tensors: dict[str, Tensor] = {}
    text = {"class_names": json.dumps(data.class_names), "notes": json.dumps(data.notes)}
    text |= {"vocabulary": str(data.vocabulary), "dealt": data.dealt, "split": data.split}
    text |= {"contents": data.contents, "num_first_train": str(data.num_first_train)}
    text |= {"counted": json.dumps(data.counted), "words": data.words}
    text["read_as"] = data.read_as
    if data.standing is not None:
        tensors["train.standing"] = data.standing
    for split, samples in zip(_SPLITS, (data.train, data.test), strict=True):
        tensors |= {f"{split}.inputs": samples.inputs, f"{split}.labels": samples.labels}
        if samples.scores is not None:
            tensors[f"{split}.scores"] = samples.scores
        if samples.questions:
            text[f"{split}.questions"] = json.dumps(samples.questions)
    return tensors, text


def from_file(tensors: Mapping[str, Tensor], text: Mapping[str, str]) -> ClientData:
    """Return what :func:`to_file` was given."""
    train, test = (
        Samples(
            tensors[f"{split}.inputs"],
            tensors[f"{split}.labels"],
            tuple(json.loads(text.get(f"{split}.questions", "[]"))),
            tensors.get(f"{split}.scores"),
        )
        for split in _SPLITS
    )
    class_names = tuple(json.loads(text["class_names"]))
    return ClientData(
        train,
        test,
        len(class_names),
        class_names,
        tuple(json.loads(text["notes"])),
        int(text["vocabulary"]),
        text["dealt"],
        bool(json.loads(text["counted"])),
        text["split"],
        text["contents"],
        tensors.get("train.standing"),
        int(text["num_first_train"]),
        text["words"],
        text["read_as"],
    )
