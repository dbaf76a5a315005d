"""What a client's state came from, kept with it and compared before it is used again.

A model of another shape would fail somewhere inside torch, and other data would not fail at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from strategies.common.errors import DataError, ModelError

_TEXTS = ("model", "data", "split", "contents", "read_as")
_LONGEST_LIST = 200


@final
@dataclass(frozen=True)
class Origin:
    """Model and data of a client; what an older state does not say is empty.

    Attributes
    ----------
    model : str
        Name of the architecture.
    data : str
        The data source as the operator or the run named it.
    split, contents : str
        Which split of it, and which samples, as ``ClientData`` has them.
    classes : tuple[str, ...]
        Classes, or the client's own answers, in the order of its head.
    read_as : str
        Which columns of a table are read, as ``ClientData`` has it.
    """

    model: str = ""
    data: str = ""
    split: str = ""
    contents: str = ""
    classes: tuple[str, ...] = ()
    read_as: str = ""

    def to_text(self) -> dict[str, str]:
        """Return what :meth:`from_text` reads back."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        return {**texts, "classes": json.dumps(self.classes)}

    @classmethod
    def from_text(cls, text: Mapping[str, str]) -> "Origin":
        """Read what stands in a state; an older one does not say all of it."""
        classes = tuple(json.loads(text.get("classes", "[]")))
        return cls(**{name: text.get(name, "") for name in _TEXTS}, classes=classes)

    def compare(self, now: "Origin", *, private: bool) -> tuple[str, ...]:
        """Refuse to go on from a state of this origin with another model, data or classes.

        Parameters
        ----------
        now : Origin
            What the device has.
        private : bool
            Whether the classes are the device's own business, and are not told.

        Returns
        -------
        tuple[str, ...]
            What has changed and may, in plain sentences.

        Raises
        ------
        ModelError
            If the model is another.
        DataError
            If the data or the classes are others.
        """
        if _differ(self.model, now.model):
            raise ModelError(
                f"model was {self.model}, is {now.model}: the state that this client goes on from "
                f"is of {self.model}; give the node that model again, or choose another run-name"
            )
        notes = self._compare_data(now)
        if _differ(self.read_as, now.read_as):
            raise DataError(
                f"data {now.data}: other columns are read than those that the model that this "
                f"client goes on from has learnt from; set label-column and input-columns as they "
                f"were, or choose another run-name"
            )
        if self.classes and self.classes != now.classes:
            listed = f"classes were {_listed(self.classes)}, are {_listed(now.classes)}"
            raise DataError(
                f"{'the list of classes has changed' if private else listed}: the head that this "
                f"client goes on from was trained for the former; put the data back as they were, "
                f"or choose another run-name"
            )
        return notes

    def _compare_data(self, now: "Origin") -> tuple[str, ...]:
        moved = _differ(self.data, now.data)
        # A folder that was moved whole is the same data; data without a split go by their name.
        if moved and (self.split != now.split or not self.split):
            raise DataError(
                f"data was {self.data}, is {now.data}: the model that this client goes on from has "
                f"learnt from the former; name them again, or choose another run-name"
            )
        if not _differ(self.split, now.split):
            return ()
        if now.split.startswith("dealt:"):
            raise DataError(
                f"data {now.data}: the files have changed since this client was dealt its samples, "
                f"and all are dealt anew, so that the model it goes on from may have learnt from "
                f"what it would be tested on; put the files back as they were, or choose another "
                f"run-name"
            )
        return (
            f"data {now.data}: the split that this client's model was trained by is lost, and was "
            f"dealt anew; it may have learnt from what it is tested on",
        )


def _differ(was: str, now: str) -> bool:
    return bool(was and now and was != now)


def _listed(names: tuple[str, ...]) -> str:
    text = ", ".join(names)
    return text if len(text) <= _LONGEST_LIST else f"{text[:_LONGEST_LIST]}... ({len(names)})"
