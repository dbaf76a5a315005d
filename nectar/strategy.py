"""A method as Flower knows one: a ``Strategy`` of a ServerApp of one's own."""

from collections.abc import Callable, Iterable, Mapping
from logging import INFO
from typing import Any, ClassVar, Final

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.common.logger import log
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from client_app.half import client_half
from nectar.metrics import evaluate_metrics, result_of, train_metrics
from nectar.settings import Asker, Config, gather
from server_app.half import open_settings
from server_app.held_rounds import HeldRounds
from server_app.run import Run
from server_app.run_record import read_run_record
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config
from strategies.common.settings import DEVICES_OWN

# What devices have no use for.
_SERVERS_OWN: Final = frozenset(
    {
        *("run-name", "runs-dir", "compare-with", "resume", "resume-from"),
        *("server-device", "server-threads", "writers"),
    }
)
_ASKER: Final = Asker(
    decided={
        "method": "the strategy is one; take another class of nectar.flower",
        **dict.fromkeys(
            DEVICES_OWN, "devices decide it; give it in Flower's run config, or to simulate"
        ),
    },
    arguments={
        "clients": "say with min_nodes= how many nodes to wait for",
        "num-rounds": "give it to start(grid, num_rounds=...), or as rounds=",
        "timeout": "give it to start(grid, timeout=...), or as round_deadline_s=",
        "name": "it is called run_name=",
        "folder": "it is called runs_dir=",
    },
)


class MethodStrategy(Strategy):
    """A method of Nectar.

    ``start`` plays the rounds as Nectar does, with run folder, checkpoints, journal and report.
    The five methods that Flower's own loop calls work under that loop, or one of yours, as well:
    what is learnt is the same, but nothing is written, no client is asked twice, and an object
    serves one run. Methods that exchange activations while they train have ``start`` alone.

    There is no global model: arrays that go in are refused, and none come out.

    Parameters
    ----------
    settings : Mapping[str, Any] | None
        Settings that differ from the defaults in ``pyproject.toml``, under the names that they
        have there. It may be ``context.run_config``; the method that it names is passed over, and
        what a device's owner decides stays as the devices have it.
    more_settings : Any
        Settings by Python names (``learning_rate=0.1``, ``fedproto__proto_weight=1.0``, or
        ``fedproto={"proto_weight": 1.0}``), which count before those of the mapping. All settings
        are told to devices with every message, and count there before the run config.

    Raises
    ------
    SettingsError
        If a setting is unknown, out of range, or not the strategy's to say.
    """

    method: ClassVar[str]

    def __init__(self, settings: Mapping[str, Any] | None = None, /, **more_settings: Any) -> None:
        passed_over = {"method", *DEVICES_OWN}
        general = {k: v for k, v in (settings or {}).items() if k not in passed_over}
        self._given: Config = gather(general, more_settings, asker=_ASKER) | {"method": self.method}
        config = self._config()
        client_half(open_settings(config), config)
        self._held: tuple[Grid, HeldRounds] | None = None

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int | None = None,
        timeout: float | None = None,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None,
    ) -> Result:
        """Play a run with the nodes of a grid, and return what came of each round.

        Parameters
        ----------
        grid : Grid
            Flower's connection to the nodes.
        initial_arrays : ArrayRecord | None
            Refused unless empty: every client begins with a model of its own.
        num_rounds : int | None
            Last round; ``None`` takes the setting ``rounds``.
        timeout : float | None
            Seconds to wait for replies in a round; ``None`` takes ``round-deadline-s``.
        train_config, evaluate_config : ConfigRecord | None
            Refused unless empty: what clients are to know are the strategy's settings.
        evaluate_fn : Callable | None
            Refused: the server has no model to evaluate; clients test theirs.

        Returns
        -------
        Result
            For each round ``train_metrics_clientapp`` (clients, failed, samples, bytes, training
            losses, and what the method measured on the server) and, where models were tested,
            ``evaluate_metrics_clientapp`` (accuracy, accuracy_std, loss, samples, scores);
            ``nectar.metrics`` says more. A run that was gone on with has its earlier rounds too.
            Arrays and ``evaluate_metrics_serverapp`` are empty. All else is in the run's folder,
            which ``nectar.read`` opens.

        Raises
        ------
        NectarError
            If an argument is refused, or the run cannot be begun or cannot go on.
        """
        _refuse_arrays(initial_arrays)
        _refuse_config("train_config", train_config)
        _refuse_config("evaluate_config", evaluate_config)
        if evaluate_fn is not None:
            raise SettingsError(
                "start: expected no evaluate_fn, got one; there is no global model, clients test "
                "their own: see evaluate_metrics_clientapp"
            )
        asked: Config = {} if num_rounds is None else {"rounds": num_rounds}
        if timeout is not None:
            asked["round-deadline-s"] = float(timeout)
        run = Run(grid, self._config(asked), self._told(asked))
        run.play()
        return result_of(read_run_record(run.folder).rounds)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Wait for ``min-nodes`` clients and return the messages to those that train.

        Raises
        ------
        SettingsError
            If clients exchange activations while they train, or arrays or a config were given.
        FederationError
            If too few clients are there in time.
        """
        _refuse_arrays(arrays)
        _refuse_config("train_config", config)
        if self._held is None or self._held[0] is not grid:
            self._held = grid, HeldRounds(grid, self._config(), self._told())
        return self._held[1].ask(server_round)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the method take in what came back; whoever failed is named in the log.

        Returns
        -------
        tuple[None, MetricRecord]
            No arrays, and what ``start`` says of training.
        """
        return None, train_metrics(self._rounds().aggregate(server_round, replies))

    def configure_evaluate(
        self,
        server_round: int,
        arrays: ArrayRecord,
        config: ConfigRecord,
        grid: Grid,  # noqa: ARG002 - the one that configure_train was given
    ) -> Iterable[Message]:
        """Return messages to clients that test without training, often none.

        Most methods' clients test what they trained, in the same reply.
        """
        _refuse_arrays(arrays)
        _refuse_config("evaluate_config", config)
        return self._rounds().ask_for_tests(server_round)

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Return how the clients' models do, ``None`` where none was tested."""
        return evaluate_metrics(self._rounds().take_in_tests(server_round, replies))

    def summary(self) -> None:
        """Log the settings that were given."""
        for key, value in sorted(self._given.items()):
            log(INFO, "\t├──> %s: %r", key, value)

    def _config(self, asked: Config | None = None) -> Config:
        return {**default_config(), **self._given, **(asked or {})}

    def _told(self, asked: Config | None = None) -> Config:
        told = {**self._given, **(asked or {})}
        return {key: value for key, value in told.items() if key not in _SERVERS_OWN}

    def _rounds(self) -> HeldRounds:
        if self._held is None:
            raise SettingsError(
                f"{type(self).__name__}: expected configure_train before the other methods"
            )
        return self._held[1]


def _refuse_arrays(arrays: ArrayRecord | None) -> None:
    if arrays:
        raise SettingsError(
            f"initial_arrays: expected none or an empty ArrayRecord, got {len(arrays)} arrays; "
            f"there is no global model, every client begins with one of its own (models=...)"
        )


def _refuse_config(name: str, config: ConfigRecord | None) -> None:
    if config:
        raise SettingsError(
            f"{name}: expected none, got {', '.join(map(str, config))}; give settings to the "
            f"strategy, e.g. learning_rate=0.1"
        )
