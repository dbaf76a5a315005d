"""A pretraining put together: what is learnt, and the expert that comes of it."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from tiny_taressfl import CPU, Value, attack_settings, bars, nothing, pretraining_settings

from strategies.common.agreed import Need
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.provided import Provided
from strategies.common.run_config import read_run, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.taressfl import expert
from strategies.mocosfl.taressfl.expert import Provenance
from taressfl.examination import Exhibits, examine
from taressfl.intercept import as_sent
from taressfl.pretraining import Material
from taressfl.session import Epoch, Recipe, Session

TASK = Task(num_classes=2, inputs=Images(1, 8, 8), feature_dim=0)
NONE = torch.zeros(0, 1, 8, 8, dtype=torch.uint8)


def recipe(config: dict[str, Value], **changes: Value) -> Recipe:
    small: Mapping[str, Value] = {
        "server-device": "cpu",
        "split.width": 8,
        "split.bottleneck": "C4S2",
        "mocosfl.memory-size": 64,
        "mocosfl.projection-hidden": 16,
        "mocosfl.projection-dim": 16,
        "mocosfl.learning-rate": 0.1,
        "mocosfl.min-crop": 0.6,
    }
    changed = {**config, **small}
    return Recipe(
        read_run(changed),
        read_table(changed, "split", SplitSettings),
        read_table(changed, "mocosfl", MocoSFLSettings),
        pretraining_settings(**{"batch": 16, **changes}),
        TASK,
    )


def learnt(
    config: dict[str, Value], material: Material | None = None, **changes: Value
) -> tuple[Session, list[Epoch]]:
    chosen = recipe(config, **changes)
    session = Session(chosen, material or Material(bars(8), bars(64, 1)))
    epochs = range(1, chosen.pretraining.epochs + 1)
    return session, [session.epoch(number, nothing) for number in epochs]


@pytest.mark.thorough
def test_contrast_is_learnt_while_decoders_push(config: dict[str, Value]) -> None:
    _, epochs = learnt(config, epochs=6, ssim_target=-1.0, ssim_weight=0.1, decoder_steps=1)

    # 32 images in a step, each against 64 keys: by guessing 1 in 65 finds its own, and the
    # loss of both terms is 2 ln 65.
    assert max(epoch.contrast_accuracy for epoch in epochs[1:]) > 0.2
    assert epochs[-1].loss < 0.99 * 2 * math.log(65)
    assert epochs[-1].similarity.pushed == 1.0


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_expert(config: dict[str, Value]) -> None:
    (first, _), (second, _) = learnt(config, epochs=1), learnt(config, epochs=1)

    assert all(map(torch.equal, first.front.parameters(), second.front.parameters()))
    assert torch.equal(first.state.memory.rows, second.state.memory.rows)


@pytest.mark.thorough
def test_a_collapse_is_told(config: dict[str, Value]) -> None:
    session, epochs = learnt(config, epochs=1)
    for weight in session.state.online.head.parameters():
        weight.data.zero_()
    session.state.online.head[-1].bias.data.fill_(1.0)

    assert epochs[0].notes == ()
    session.state.momentum.load_state_dict(session.state.online.state_dict())
    assert "collapsed: keys of all images lie within" in session.epoch(2, nothing).notes[0]


def test_an_expert_is_the_weights_that_were_learnt(
    config: dict[str, Value], tmp_path: Path
) -> None:
    session, _ = learnt(config, epochs=1)
    exhibits = Exhibits(bars(8, 2), bars(4, 3), bars(64, 1), session.decoders)
    attackers = attack_settings(epochs=1)
    examined = examine(session.front, exhibits, as_sent, attackers, 0, CPU, nothing)
    provenance = Provenance("bars", "bars", 8, 64, 4, 0.3, 2.0, "float32", 0, ())

    expert.save(tmp_path / "e", session.expert(provenance, examined))
    read = expert.load(tmp_path / "e", None)

    run = recipe({**config, "mocosfl.expert": str(tmp_path / "e")})
    provided = Provided(run.run, run.mocosfl, CPU, {Need.SPLIT: run.split})
    provided.agree(TASK)
    state = MocoSFLServer(run.mocosfl, provided).start()
    weights = torch.cat([weight.flatten() for weight in session.front.parameters()])
    assert torch.equal(state.front, weights)
    for part in ("online", "momentum"):
        own, theirs = getattr(state, part).state_dict(), getattr(session.state, part).state_dict()
        assert all(torch.equal(own[name], theirs[name]) for name in theirs)
    assert read.description.verdict == examined.verdict
    assert len(read.drawn()) == 4


def test_an_expert_is_not_pretrained_from_an_expert(config: dict[str, Value]) -> None:
    with pytest.raises(SettingsError, match="expected none for a pretraining"):
        Session(recipe({**config, "mocosfl.expert": "e"}), Material(NONE, bars(8)))
