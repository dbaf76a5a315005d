"""One client's turn in a round: load, learn, test, save, in this order."""

import threading
import time
from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from client_app.blueprint import Blueprint
from client_app.devices.exchange_device import ExchangeNode
from client_app.devices.kinds import AnyLocalDevice
from client_app.devices.message_device import LocalDevice
from client_app.profiling import memory
from client_app.store import Standing
from strategies.common import seeds
from strategies.common.method import AnyClientHalf
from strategies.common.payload import Payload
from strategies.common.round import Evaluation, Trained
from strategies.common.simulated import Conditions
from strategies.common.tested import Tested
from strategies.common.transport.control import MAX_TOLD_CLASSES, Order, Report
from strategies.common.transport.state import load_tensors, to_tensors


@final
class Clock:
    """Tells how long each phase took, one after another, and the CPU time since it started."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._cpu = time.process_time()

    def lap(self) -> float:
        """Return the seconds since the lap before."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds

    def cpu(self) -> float:
        """Return CPU seconds of this process; 0 where other nodes, as threads, share it."""
        alone = threading.current_thread() is threading.main_thread()
        return time.process_time() - self._cpu if alone else 0.0


def take_turn(
    half: AnyClientHalf,
    device: AnyLocalDevice,
    standing: Standing,
    order: Order,
    downlink: Payload | None,
    clock: Clock,
    *,
    learn: bool,
    conditions: Conditions,
) -> tuple[Report, Payload | None]:
    """Play one round of a method on this device.

    The state is saved before the reply exists, so that the server can never have accepted
    a round that the device has lost.

    Parameters
    ----------
    half : ClientHalf
        The method.
    device : AnyLocalDevice
        This client in this round.
    standing : Standing
        Its private states, and the one that it goes on from.
    order : Order
        Which round, and from which one to go on.
    downlink : Payload | None
        What the server half sent.
    clock : Clock
        Started before the data were read.
    learn : bool
        Whether to train; otherwise the model is only tested and nothing is saved.
    conditions : Conditions
        How slow the client is.

    Returns
    -------
    tuple[Report, Payload | None]
        What to tell the server, and the payload of a client that trained.
    """
    store, stored = standing.store, standing.stored
    if isinstance(device, LocalDevice):
        device.begins = not stored.round_number
        device.kept_scale = stored.beside
    state = half.start(device)
    if stored.round_number:
        load_tensors(state, stored.tensors)
    load_s = clock.lap()
    trained = _learn(half, device, state, downlink) if learn else Trained(None, {})
    train_s = clock.lap()
    if learn:
        conditions.prolong(train_s)
        train_s += clock.lap()
    later = learn and half.testing() is not Tested.TRAINED
    evaluation = None if later else half.evaluate(device, state, downlink)
    held_out = _validate(half, device, state, downlink) if evaluation else {}
    tested = 0 if evaluation is None else sum(len(client.test) for client in device.clients)
    evaluate_s = clock.lap()
    saved: tuple[str, ...] = ()
    if learn:
        saved = store.save(
            order.round_number,
            to_tensors(state, copy=False),
            base=stored.round_number,
            beside=_beside(device),
            method=device.settings.method,
            run=order.run,
            origin=device.origin,
            blueprint=Blueprint.of(half, device, evaluation).to_text(),
        )
    report = Report(
        round_number=order.round_number,
        continued_from=stored.round_number,
        correct=evaluation.correct if evaluation else 0,
        test_samples=tested,
        loss=evaluation.loss if evaluation else 0.0,
        **held_out,
        **_classes(evaluation, shared=device.settings.share_class_counts),
        train_samples=sum(len(client.train) for client in device.clients),
        load_s=load_s,
        train_s=train_s,
        evaluate_s=evaluate_s,
        save_s=clock.lap(),
        notes=[*stored.notes, *saved, *trained.notes],
        scores=dict(evaluation.scores) if evaluation else {},
        losses=dict(trained.losses),
        figures={
            # On a device every message is a process of its own, so this is the round's peak.
            "peak_memory_bytes": float(memory.peak_bytes()),
            **(_pace(device, train_s) if isinstance(device, ExchangeNode) and learn else {}),
            **trained.figures,
            "cpu_s": clock.cpu(),
        },
    )
    return report, trained.uplink


def _validate(
    half: AnyClientHalf, device: AnyLocalDevice, state: object, downlink: Payload | None
) -> Mapping[str, Any]:
    """Test the same model on the samples held out, and return what a report tells of it."""
    if isinstance(device, ExchangeNode) or not device.settings.validation_share:
        return {}
    validating = device.validating()
    found = half.evaluate(validating, state, downlink)
    if found is None:
        return {}
    return {
        "validation_correct": found.correct,
        "validation_samples": len(validating.test),
        "validation_loss": found.loss,
    }


def _classes(evaluation: Evaluation | None, *, shared: bool) -> dict[str, Any]:
    """Return what a report tells of classes: counts, or else the score that follows from them."""
    counts = evaluation.classes if evaluation else None
    told = counts if shared and counts and len(counts.samples) <= MAX_TOLD_CLASSES else None
    return {
        "class_samples": list(told.samples) if told else [],
        "class_hits": list(told.hits) if told else [],
        "class_predictions": list(told.predictions) if told else [],
        "macro_f1": counts.macro_f1 if counts and not told else None,
    }


def _pace(device: ExchangeNode, train_s: float) -> dict[str, float]:
    """Return the milliseconds of a step as the device meets it, waiting included."""
    steps = len(device.link.plan.step_numbers)
    return {"step_ms": 1000 * train_s / steps} if steps else {}


def _beside(device: AnyLocalDevice) -> Mapping[str, Tensor]:
    """Return what a device keeps with its state: by what its windows are normalised."""
    scale = device.scale if isinstance(device, LocalDevice) else None
    return scale.state_dict() if scale else {}


def _learn(
    half: AnyClientHalf, device: AnyLocalDevice, state: object, downlink: Payload | None
) -> Trained[Any]:
    """Train under a derived seed, for layers that draw from the global generator."""
    seed = seeds.derive(
        device.settings.seed,
        "training",
        round_number=device.round_number,
        partition=device.partition,
    )
    with seeds.seeded(seed):
        return half.train(device, state, downlink)
