"""A run from its settings to its report: the only place where all parts are joined."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from logging import INFO, WARNING
from pathlib import Path
from typing import Any, final

from flwr.common.logger import log
from flwr.serverapp import Grid

from server_app.augmenting import Augmenting
from server_app.checkpoints import Checkpoints
from server_app.client import Client, held_by
from server_app.half import (
    decisions,
    first_state,
    open_set_of,
    open_settings,
    require_open_set,
    run_name,
    server_half,
)
from server_app.journal import RoundLine
from server_app.progress import round_line
from server_app.report import page
from server_app.roster import NOTHING_GIVEN
from server_app.round_context import PlayedRound, RoundContext
from server_app.rounds import RoundLoop
from server_app.run_folder import RunFolder
from server_app.split.place import find_place
from server_app.split_rounds import SplitRounds
from server_app.stage import Stage
from server_app.standing import Standing
from server_app.stopping import StopRule
from server_app.undoing import Undoing
from server_app.writers import chosen
from strategies import methods
from strategies.common.errors import FederationError
from strategies.common.method import AggregatingServerHalf
from strategies.common.round import Aggregated
from strategies.common.run_config import RunConfig, default_config
from strategies.common.split.halves import SplitServerHalf
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors


@final
class Run:
    """One run of one method.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    config : RunConfig
        Flower's flat run config.
    given : RunConfig
        Those of its settings that devices do not find in theirs, and are told.

    Raises
    ------
    SettingsError
        If a setting, method, model, data source or generator is unknown or out of range.
    ModelError
        If a user's own model lies on the server and is none.
    RunFolderError
        If the run's folder cannot be written, holds another run, or cannot be resumed.
    """

    def __init__(self, grid: Grid, config: RunConfig, given: RunConfig = NOTHING_GIVEN) -> None:
        self._settings = open_settings(config)
        self._half = server_half(self._settings, config)
        # Saved as resolved, so that a run's folder says what it was played with.
        config = {**config, **self._half.resolved()}
        self._folder = RunFolder(Path(self._settings.runs_dir), run_name(self._settings))
        self._compare_dir = self._folder.beside(self._settings.compare_with)
        of = f"{self._settings.method} with seed {self._settings.seed}"
        self._checkpoints = Checkpoints(self._folder.checkpoints, of)
        self._state: Any = None
        name = self._folder.name
        self._loop = RoundLoop(grid, self._half, self._settings, name, self._watch, given)
        self._decisions = dict(decisions(self._half))
        self._split = self._split_rounds(config)
        self._augmenting: Augmenting | None = None
        if self._settings.augmentation != "none":
            roster, folder = self._loop.roster, self._folder.path
            self._augmenting = Augmenting(
                grid, roster, self._settings, config, folder, self._watch_next
            )
        self._rule = StopRule(self._settings.stop_after)
        self._standing = self._stand(config)
        self._config = config
        stated = methods.presentation(self._settings.method, config)
        self._classified_by = stated.classified_by
        self._writers = chosen.ChosenWriters(
            chosen.check(self._settings.writers),
            self._folder,
            last_round=self._standing.round_number,
            resumed=self._settings.resume,
        )
        self._seconds: list[float] = []
        self._undoing = Undoing(self._half, self._settings)

    @property
    def folder(self) -> Path:
        """Where all that is known of the run is written."""
        return self._folder.path

    def play(self) -> None:
        """Play the rounds that are left, and write the report whatever happens.

        Raises
        ------
        FederationError
            If too few nodes are left.
        """
        log(INFO, "run %s in %s", self._folder.name, self._folder.path)
        for name, told in self._decisions.items():
            log(INFO, "%s: %s", name, told)
        try:
            self._play_rounds()
        finally:
            self._folder.let_go()

    def _play_rounds(self) -> None:
        settings, standing = self._settings, self._standing
        status = "failed"
        try:
            self._writers.begin(self._config)
            for round_number in range(standing.round_number + 1, settings.rounds + 1):
                if self._rule.stop:
                    break
                self._play_round(round_number)
            status = "finished"
        except FederationError as error:
            raise FederationError(
                f"{error}. The run is saved up to its last complete round: mend the nodes, then "
                f"start it again with run-name={self._folder.name!r} and resume=true"
            ) from None
        finally:
            # None of these raises, so that what ended the run is what is told.
            self._writers.end(finished=status == "finished")
            self._report()
            told = {"stopped": str(stop)} if (stop := self._rule.stop) else {}
            self._folder.show_progress(
                round=standing.round_number, rounds=settings.rounds, phase=status, **told
            )

    def _play_round(self, round_number: int) -> None:
        started = time.perf_counter()
        first = not self._seconds
        clients: dict[int, Client] = {}
        if self._split is None or self._split.needs_clients(round_number):
            clients = self._loop.gathering.wait(round_number, first=first)
        else:
            self._watch(round_number, "learning from what was kept", 0, 0)
        task = self._loop.roster.task()
        if self._state is None:
            self._state = first_state(self._half, self._settings, task)
            clients = self._loop.gathering.fitting(
                round_number, clients, lambda own: self._half.check_clients(held_by(own))
            )
        stage = Stage()
        if self._augmenting is not None:
            stage = self._augmenting.play(round_number, clients, task)
            clients = self._loop.roster.clients()
        if clients:  # without any, nothing is known that could be written down
            self._folder.save_clients(task, clients)
        waited = time.perf_counter() - started - stage.seconds
        context = RoundContext(round_number, clients, self._state, task, self._standing.accepted)
        played = self._play(context)
        if played.context.clients != clients:
            self._folder.save_clients(task, played.context.clients)
        stage.tell(played.record)
        played.record.seconds = {"wait": waited, **played.record.seconds}
        line = self._complete(played, stage.said)
        self._writers.round(line, self._folder.pictures_of(round_number))
        self._seconds.append(time.perf_counter() - started)
        log(INFO, "%s", round_line(line, self._settings.rounds, self._eta(round_number)))

    def _play(self, context: RoundContext) -> PlayedRound:
        if self._split is not None:
            return self._split.play(context)
        if not isinstance(self._half, AggregatingServerHalf):
            raise TypeError(f"expected a half that aggregates, got a {type(self._half).__name__}")
        return self._loop.play(context, self._half)

    def _complete(self, played: PlayedRound, before: Aggregated) -> RoundLine:
        """Aggregate, save, and only then write the line that makes the round count."""
        record, context = played.record, played.context
        number = record.round_number
        taken_in = self._undoing.take_in(played, lambda: self._restore(number - 1, context.task))
        aggregated = before.joined(taken_in)
        standing = self._standing
        standing.accept(record)
        if self._split is not None:
            aggregated = aggregated.joined(self._split.survey(record, context))
        else:
            failed = self._loop.test(record, context)
            record.notes += [f"evaluation: {reason}" for reason in failed]
        aggregated = aggregated.finite()
        if aggregated.diagnostics:
            log(INFO, "round %d: %s", record.round_number, _named(aggregated.diagnostics))
        for note in (*record.notes, *aggregated.notes):
            log(WARNING, "round %d: %s", record.round_number, note)
        held_out = self._settings.validation_share > 0
        standing.complete(record, len(context.clients), held_out=held_out)
        with record.timed("save"):
            self._folder.save_pictures(record.round_number, aggregated.pictures)
            tensors, opened = to_tensors(self._state), open_set_of(self._half)
            checkpoint = standing.checkpoint(context.task, tensors, opened)
            with self._folder.saving():
                self._checkpoints.save(checkpoint)
        line = record.to_line(self._settings.method, aggregated, self._classified_by)
        if stop := self._rule.take(line):
            log(INFO, "%s", stop)
            line = replace(line, notes=(*line.notes, str(stop)))
        self._folder.append(line)
        return line

    def _restore(self, round_number: int, task: Task) -> None:
        """Put the server half's state back to what it was after a round."""
        checkpoint, _ = self._checkpoints.load(at_most=round_number)
        if checkpoint is None:
            load_tensors(self._state, to_tensors(first_state(self._half, self._settings, task)))
        else:
            load_tensors(self._state, checkpoint.tensors)

    def _split_rounds(self, config: RunConfig) -> SplitRounds | None:
        if not isinstance(self._half, SplitServerHalf):
            return None
        usual = methods.split_settings(default_config())
        place = find_place(methods.split_settings(config), usual, os.environ)
        self._decisions |= place.decisions
        return SplitRounds(self._loop, self._half, self._settings, place.settings)

    def _stand(self, config: RunConfig) -> Standing:
        """Begin or go on, and let no other server play the same run meanwhile."""
        self._folder.hold()
        try:
            return self._resume(config) if self._settings.resume else self._begin(config)
        except BaseException:
            self._folder.let_go()
            raise

    def _begin(self, config: RunConfig) -> Standing:
        self._folder.begin({**config, "run-name": self._folder.name}, self._decisions)
        return Standing()

    def _resume(self, config: RunConfig) -> Standing:
        self._folder.check_resumable(config)
        wanted, last = self._settings.resume_from, self._folder.last_round()
        self._checkpoints.require(last, self._folder.journal)
        checkpoint, notes = (
            (self._checkpoints.after(wanted, last), ()) if wanted else self._checkpoints.load(last)
        )
        for note in notes:
            log(WARNING, "%s", note)
        if checkpoint is None:
            self._folder.forget_after(0)
            self._folder.go_on(config, 0)
            return Standing()
        self._loop.roster.fix_task(checkpoint.task)
        self._state = first_state(self._half, self._settings, checkpoint.task)
        require_open_set(self._half, checkpoint.open_set)
        load_tensors(self._state, checkpoint.tensors)
        # Nothing is left behind before all that could be refused is known to be right.
        after = checkpoint.round_number
        if aside := self._folder.set_aside_after(after):
            self._checkpoints.set_aside_after(after)
            log(WARNING, "the rounds after round %d of %d are kept in %s", after, last, aside)
        if wanted or after < last:
            self._half.gone_back(self._state)
        self._folder.forget_after(after)
        self._folder.go_on(config, after)
        for line in self._folder.rounds():
            self._rule.take(line)
        log(INFO, "resumed after round %d", after)
        return Standing.after(checkpoint)

    def _report(self) -> None:
        try:
            path = page.write_report(self._folder.path, compare_dir=self._compare_dir)
        # Drawn by libraries of others, of what devices told: whatever is wrong, the run is saved.
        except Exception as error:
            log(WARNING, "no report (%s: %s); the run is saved", type(error).__name__, error)
        else:
            log(INFO, "report: %s", path)

    def _watch_next(self, phase: str, done: int, total: int) -> None:
        self._watch(self._standing.round_number + 1, phase, done, total)

    def _watch(self, round_number: int, phase: str, done: int, total: int) -> None:
        self._folder.show_progress(
            round=round_number,
            rounds=self._settings.rounds,
            phase=phase,
            done=done,
            total=total,
            eta_s=self._eta(round_number - 1),
        )

    def _eta(self, round_number: int) -> float | None:
        if not self._seconds:
            return None
        typical = sorted(self._seconds)[len(self._seconds) // 2]
        return typical * (self._settings.rounds - round_number)


def _named(diagnostics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in diagnostics.items())
