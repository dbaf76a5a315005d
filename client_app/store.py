"""A client's private state on the device's own disk.

States never leave the device and never enter Flower's context. The folder
``<state-dir>/<run-name>/<partition-id>/`` holds the last two generations: the round that
the server has accepted and the newest one. A reply can be lost after its round was saved;
the server then asks to go on from the accepted round, and the newer file is put aside, so
that no round is ever trained twice. States of rounds that are yet to come, which a run has left
behind, or another of its name, are kept in ``earlier/``: the longest trained, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from torch import Tensor

from client_app.origin import Origin
from strategies.common import folder_lock, tensor_file
from strategies.common.errors import StoreError

# How long a message waits for the one before it to be done with the state.
_WAIT_S = 5.0
NOT_SAID: Final = Origin()
NOTHING: Final[Mapping[str, Tensor]] = MappingProxyType({})
# Begins the names of what is kept beside a state, in which no field has such a name.
_BESIDE: Final = ":"
# Within a client's folder.
EARLIER: Final = "earlier"


def client_folder(folder: Path) -> Path:
    """Return the absolute folder of a client, of which ``folder`` may be what is kept aside."""
    place = folder.absolute()
    return place.parent if place.name == EARLIER else place


@final
@dataclass(frozen=True)
class Stored:
    """A state as it was found.

    Attributes
    ----------
    round_number : int
        Round after which it was saved; 0 when nothing usable was found.
    tensors : dict[str, Tensor]
        The state; empty for round 0.
    notes : tuple[str, ...]
        What went wrong on the way, in plain sentences.
    method, run : str
        Of what run, and its name; empty where the file does not say.
    origin : Origin
        What model and data it is of.
    blueprint : str
        How its model is built, as ``Blueprint.to_text`` says it; empty in an older one.
    beside : Mapping[str, Tensor]
        What the device keeps with the state for itself, whatever the method.
    """

    round_number: int
    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    method: str = ""
    run: str = ""
    origin: Origin = field(default_factory=Origin)
    blueprint: str = ""
    beside: Mapping[str, Tensor] = field(default_factory=dict)

    def require_of(self, run: str, method: str) -> None:
        """Refuse to go on with a state that was copied here from another run.

        Raises
        ------
        StoreError
            Naming both runs.
        """
        known = self.run or run, self.method or method
        if known != (run, method):
            raise StoreError(
                f"state of round {self.round_number}: expected one of run {run}, method {method}, "
                f"got one of run {known[0]}, method {known[1]}; put this client's own back, or "
                f"choose another run-name"
            )


@final
class ClientStore:
    """The generations of one client's state in one run.

    Parameters
    ----------
    folder : Path
        ``<state-dir>/<run-name>/<partition-id>``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self) -> folder_lock.Hold:
        """Keep other processes of this client out until it is released, or this process ends.

        On a device every message is a process of its own: one that comes early waits a while for
        the one before.

        Raises
        ------
        StoreError
            If another process stays at work, or the folder cannot be written.
        """
        try:
            tensor_file.make_private(self._folder)
            return folder_lock.hold(self._folder, self._refusal, wait_s=_WAIT_S, stays=True)
        except OSError as error:
            raise StoreError(
                f"{self._folder}: cannot be written ({error.strerror}); make the folder writable, "
                f"free space on its disk, or name another one"
            ) from None

    def _refusal(self, holder: str) -> StoreError:
        return StoreError(
            f"{self._folder}: the state of this client is in use by {holder}; end that node, wait "
            f"for its turn to end, or give each node a state-dir of its own"
        )

    def load(self, continue_from: int) -> Stored:
        """Return the state after a round, or the newest intact one before it.

        Parameters
        ----------
        continue_from : int
            Last round that the server accepted from this client; 0 for none.
        """
        if continue_from == 0:
            return Stored(0, {}, ())
        notes: list[str] = []
        for round_number in reversed(tensor_file.rounds_in(self._folder)):
            if round_number > continue_from:
                continue
            try:
                tensors, text = tensor_file.read_round(self._folder, round_number)
            except StoreError as error:
                notes.append(str(error))
                continue
            if round_number < continue_from:
                notes.append(f"no usable state of round {continue_from}: used round {round_number}")
            beside = {k: tensors.pop(k) for k in list(tensors) if k.startswith(_BESIDE)}
            return Stored(
                round_number,
                tensors,
                tuple(notes),
                text.get("method", ""),
                text.get("run", ""),
                Origin.from_text(text),
                text.get("blueprint", ""),
                {name.removeprefix(_BESIDE): own for name, own in beside.items()},
            )
        notes.append(f"no usable state of round {continue_from} in {self._folder}: started afresh")
        return Stored(0, {}, tuple(notes))

    def newest(self) -> Stored:
        """Return the newest intact state, whatever the server accepted."""
        rounds = tensor_file.rounds_in(self._folder)
        return self.load(rounds[-1]) if rounds else Stored(0, {}, ())

    def save(
        self,
        round_number: int,
        tensors: dict[str, Tensor],
        *,
        base: int,
        beside: Mapping[str, Tensor] = NOTHING,
        method: str = "",
        run: str = "",
        origin: Origin = NOT_SAID,
        blueprint: str = "",
    ) -> tuple[str, ...]:
        """Save the state after a round and forget all but it and its base.

        Parameters
        ----------
        round_number : int
            Round that was just trained.
        tensors : dict[str, Tensor]
            State after it.
        base : int
            Accepted round from which training started.
        beside : Mapping[str, Tensor]
            What the device keeps with it for itself, whatever the method.
        method, run : str
            Of what run, and its name, for whoever reads the state without its config.
        origin : Origin
            What model and data it is of.
        blueprint : str
            How its model is built, for whoever takes it away.

        Returns
        -------
        tuple[str, ...]
            What was put aside, in plain sentences.

        Raises
        ------
        StoreError
            If the folder cannot be written; the older generations are untouched.
        """
        text = {
            tensor_file.ROUND: str(round_number),
            "method": method,
            "run": run,
            **origin.to_text(),
        }
        text |= {"blueprint": blueprint} if blueprint else {}
        every = tensors | {_BESIDE + name: own for name, own in beside.items()}
        tensor_file.write(tensor_file.of_round(self._folder, round_number), every, text)
        others = [o for o in tensor_file.rounds_in(self._folder) if o not in (round_number, base)]
        for other in others:
            if other < round_number:
                tensor_file.forget(self._folder, other)
        return self._put_aside([other for other in others if other > round_number])

    def _put_aside(self, later: list[int]) -> tuple[str, ...]:
        """Keep states of rounds yet to come, unless some that were trained longer are kept."""
        if not later:
            return ()
        aside = self._folder / EARLIER
        kept = tensor_file.rounds_in(aside)
        if kept and kept[-1] >= later[-1]:
            for other in later:
                tensor_file.forget(self._folder, other)
            return ()
        try:
            tensor_file.make_private(aside)
            for other in later:
                path = tensor_file.of_round(self._folder, other)
                path.replace(tensor_file.of_round(aside, other))
        except OSError as error:
            return (f"{aside}: cannot be written ({error.strerror}); make it a folder",)
        for other in kept:
            if other not in later:
                tensor_file.forget(aside, other)
        rounds = " and ".join(map(str, later))
        return (
            f"the state after round {rounds}, which this run left behind or another of its name, "
            f"is kept in {aside}",
        )


@final
@dataclass(frozen=True)
class Standing:
    """A client's states, and the one that it goes on from.

    Attributes
    ----------
    store : ClientStore
        All of them.
    stored : Stored
        The one.
    """

    store: ClientStore
    stored: Stored
