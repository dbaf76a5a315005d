"""What comes before the first round: clients send seeds, and get a generator of what they lack."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Final, final

from flwr.app import Message
from flwr.serverapp import Grid

from client_app.data import open_set
from server_app.answers import reading
from server_app.augmentation_file import FILE, AugmentationFile, Played
from server_app.client import Client
from server_app.crossed import Crossed
from server_app.exchange import Question
from server_app.half import prepared_folder
from server_app.roster import MAX_DESCRIPTION_BYTES, Roster
from server_app.stage import Stage
from strategies import methods
from strategies.common.agreed import Agreed
from strategies.common.errors import FederationError, WireError
from strategies.common.open_data import require_readable
from strategies.common.round import Aggregated
from strategies.common.run_config import RunConfig
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.augmenting import GENERATE, SEEDS, digest
from strategies.common.transport.compute import threads, torch_device
from strategies.common.transport.control import Description
from strategies.common.transport.envelope import (
    Parcel,
    count_bytes,
    read_control_record,
    read_payload,
    to_record_dict,
)
from strategies.common.wire import decode, encode
from strategies.faug.server import make
from strategies.faug.settings import FAugSettings
from strategies.faug.wire import Generator, Seeds

Watch = Callable[[str, int, int], None]
# A node that lost the message is looked for after so long.
_PATIENCE_S: Final = 60.0
_LEAKS: Final = ("leak_to_server", "leak_to_devices")


@final
class Augmenting:
    """Brings every client what was made of the first ones' seeds.

    Parameters
    ----------
    grid, roster : Grid, Roster
        The nodes, and who they are.
    run, config : RunSettings, RunConfig
        General settings of the run, and the same config in full.
    folder : Path | None
        The run's; ``None`` where nothing is kept.
    watch : Watch
        Told of progress: what is done, and how many of how many.
    """

    def __init__(
        self,
        grid: Grid,
        roster: Roster,
        run: RunSettings,
        config: RunConfig,
        folder: Path | None,
        watch: Watch,
    ) -> None:
        self._grid = grid
        self._roster = roster
        self._run = run
        self._settings = methods.augmentation_settings(config)
        self._file = AugmentationFile(folder)
        self._watch = watch
        self._parcel: Parcel | None = None
        self._digest = ""
        self._played: Played | None = None

    def play(self, round_number: int, clients: Mapping[int, Client], task: Task) -> Stage:
        """Make a generator, unless there is one, and send it to all clients that have another.

        Parameters
        ----------
        round_number : int
            The round that follows.
        clients : Mapping[int, Client]
            Who is there, by partition.
        task : Task
            What they agree on.

        Raises
        ------
        FederationError
            If nobody could send seeds.
        StoreError
            If the generator cannot be kept, or one that was kept is damaged.
        """
        started, agreed = time.perf_counter(), Agreed(task, self._run, self._settings)
        is_first, stage = round_number == 1, Stage()
        if self._played is None:
            kept = self._file.read(agreed)
            if kept is not None and is_first:
                stage = kept.stage
            self._played = kept or self._made(clients, agreed, stage)
            if self._played.generator is not None:
                self._take(self._played.generator, agreed)
            if kept is None:  # and only now, as it can be sent
                self._file.write(self._played)
            if not is_first and stage.crossed:
                again = f"faug: clients were asked for seeds again: the run's {FILE} is not there"
                stage.said = Aggregated(notes=(again,)).joined(stage.said)
        if self._parcel is not None:
            self._send(clients, self._parcel, stage, of_all=is_first)
        stage.seconds += time.perf_counter() - started
        if is_first:
            self._file.write(replace(self._played, stage=stage))
        return stage

    def _made(self, clients: Mapping[int, Client], agreed: Agreed, stage: Stage) -> Played:
        """Ask for seeds, and make a generator of them."""
        seeds, notes = self._seeds(clients, agreed, stage)
        if not seeds:
            raise FederationError(
                f"setting augmentation: expected samples of at least one client, got none: "
                f"{'; '.join(notes)}"
            )
        with threads(self._run.server_threads):
            made = make(
                agreed,
                [own for _, own in sorted(seeds.items())],
                self._open_data(agreed),
                torch_device(self._run.server_device),
                lambda step, steps: self._watch("training a generator", step, steps),
            )
        generator, said = made or (None, Aggregated(notes=(_nothing_sent(self._settings),)))
        stage.said = Aggregated(notes=tuple(notes)).joined(said)
        return Played(generator, stage)

    def _take(self, generator: Generator, agreed: Agreed) -> None:
        """Have a generator packed, and named by what clients make of it when it arrives."""
        blob = encode(generator, self._run.wire_dtype)
        self._parcel = Parcel(Generator.schema, blob)
        self._digest = digest(decode(Generator, blob, agreed, sender="server"))

    def _seeds(
        self, clients: Mapping[int, Client], agreed: Agreed, stage: Stage
    ) -> tuple[dict[int, Seeds], list[str]]:
        found, notes = dict[int, Seeds](), list[str]()
        for partition, told in self._ask(SEEDS, clients, None, stage).items():
            if isinstance(told, str):
                notes.append(told)
                continue
            label = clients[partition].label
            try:
                with reading(label):
                    read_control_record(
                        told.content, Description, sender=label, max_bytes=MAX_DESCRIPTION_BYTES
                    )
                    own = read_payload(told.content, Description, Seeds, agreed, sender=label)
            except WireError as error:
                notes.append(str(error))
                continue
            if own is not None:
                found[partition] = own
        return found, notes

    def _send(
        self, clients: Mapping[int, Client], parcel: Parcel, stage: Stage, *, of_all: bool
    ) -> None:
        """Send a generator to whoever lacks it; numbers are of all who have it, or of these."""
        lacking = {p: c for p, c in clients.items() if c.description.generator != self._digest}
        notes = []
        for partition, reply in self._ask(GENERATE, lacking, parcel, stage).items():
            if isinstance(reply, str):
                reason: str | None = reply
            else:
                reason = self._roster.renew(lacking[partition], reply)
            if reason is not None:
                notes.append(f"{reason}; it learns from its own samples alone")
        told = [c.description for p, c in self._roster.clients().items() if of_all or p in lacking]
        holders = [one for one in told if one.generator == self._digest]
        numbers = {
            f"faug_{name}": fmean(one.figures[name] for one in holders if name in one.figures)
            for name in _LEAKS
            if any(name in one.figures for one in holders)
        }
        if told:
            numbers["faug_generated"] = float(sum(one.generated for one in holders))
        stage.said = stage.said.joined(Aggregated(numbers, tuple(notes)))

    def _ask(
        self, kind: str, clients: Mapping[int, Client], parcel: Parcel | None, stage: Stage
    ) -> dict[int, Message | str]:
        """Ask clients, and return replies, or why there is none, by partition."""
        if not clients:
            return {}
        content = to_record_dict(self._roster.order, parcel)
        messages = [Message(content, c.node_id, f"query.{kind}") for c in clients.values()]
        answers = Question(self._grid, messages, lambda _: _PATIENCE_S).wait(
            self._run.round_deadline_s,
            lambda done, total: self._watch("augmentation", done, total),
        )
        found: dict[int, Message | str] = {}
        for partition, client in clients.items():
            reply = answers.replies.get(client.node_id)
            if reply is None:
                found[partition] = f"{client.label}: {answers.failures[client.node_id]}"
                continue
            found[partition] = reply
            crossed = Crossed(count_bytes(reply.content), count_bytes(content))
            stage.crossed[partition] = stage.crossed.get(partition, Crossed()).joined(crossed)
        return found

    def _open_data(self, agreed: Agreed) -> Samples | None:
        if self._settings.oversampler == "seeds":
            return None
        prepared = prepared_folder(self._run)
        spec, theirs = self._run.open_data, agreed.task
        opened = open_set.load(self._run, spec, prepared)
        require_readable(opened, theirs.inputs, "server: ")
        known = open_set.labels(self._run, spec, prepared)
        names = theirs.meaning.class_names or known.class_names
        return Samples(
            opened.inputs, known.of_classes(names, "server: ", 'faug.oversampler="seeds"')
        )


def _nothing_sent(settings: FAugSettings) -> str:
    """Say why no seeds came, and what to do."""
    lacking = f"a label by faug.target-below={settings.target_below:g}"
    # Whoever lacks a label has samples of another, and sends them to hide which it lacks.
    if settings.redundant_labels:
        return f"faug: no client that answered lacks {lacking}, so that none generates samples"
    return (
        f"faug: no seeds came, so that no client generates samples: none that answered has "
        f"samples of what it lacks ({lacking}); with faug.redundant-labels=1 or more, whoever "
        f"lacks a label sends samples of others too, of which all can generate, and with a "
        f"higher faug.target-below labels with few samples count as lacking too"
    )
