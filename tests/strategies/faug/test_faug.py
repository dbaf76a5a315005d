"""What FAug uploads, generates and gives away; numbers worked out by hand."""

from dataclasses import replace
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from strategies import methods
from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture
from strategies.common.errors import DataError
from strategies.common.inputs import Images, Inputs
from strategies.common.payloads import numbers_of
from strategies.common.run_config import default_config, read_run
from strategies.common.samples import Samples
from strategies.common.task import Task
from strategies.common.update_rule import Group
from strategies.faug import gan
from strategies.faug.client import Lacking, generated, seeds_of
from strategies.faug.gan import LabelledGenerator, trained
from strategies.faug.oversampling import oversampled
from strategies.faug.server import make
from strategies.faug.settings import FAugSettings
from strategies.faug.wire import Generator, Seeds

CPU = torch.device("cpu")


def settings(**own: Any) -> FAugSettings:
    return methods.augmentation_settings(default_config()).model_copy(update=own)


def agreed(classes: int, inputs: Inputs, **own: Any) -> Agreed:
    return Agreed(Task(classes, inputs, 8), read_run(default_config()), settings(**own))


def order(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(counts: list[int], side: int = 4) -> Samples:
    """Return images all of whose pixels are ten times their label, plus their place."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    pixels = (10 * labels + torch.arange(len(labels)) % 5).to(torch.uint8)
    return Samples(pixels.view(-1, 1, 1, 1).expand(-1, 1, side, side).contiguous(), labels)


def lacking(counts: list[int], **own: Any) -> Lacking:
    return Lacking.of(torch.tensor(counts), settings(**own), order())


def test_the_generator_is_as_large_as_the_papers() -> None:
    """Check 9: 1,493,520 numbers, of which 1,489,936 are learnt, whatever the labels."""
    for classes in (2, 10, 100):
        with torch.device("meta"):
            built = Architecture.of(LabelledGenerator(agreed(classes, Images(1, 28, 28))))
        assert built.parameters == 1_489_936
        assert built.parameters + built.statistics == 1_493_520


def test_leakage_is_the_targets_share_of_what_is_named() -> None:
    """Check 12, by hand."""
    lone = lacking([100, 100, 100, 100, 100, 100, 100, 5, 5, 0])
    assert lone.targets.tolist() == [7, 8, 9]
    assert lone.leaks(torch.arange(10)) == {"leak_to_server": 1.0, "leak_to_devices": 0.3}
    hidden = [
        lacking([100] * 7 + [5] * 3, redundant_labels=number).leaks(torch.arange(10))
        for number in range(9)
    ]
    to_server = [told["leak_to_server"] for told in hidden]
    assert to_server[3] == 0.5
    assert to_server[:8] == sorted(to_server[:8], reverse=True)
    # There are seven others.
    assert to_server[7] == to_server[8] == 0.3
    nobody = lacking([100] * 10, redundant_labels=3)
    assert nobody.leaks(torch.arange(10)) == {"leak_to_server": 0.0, "leak_to_devices": 0.0}
    assert not len(nobody.redundant)


def test_seeds_are_of_target_and_redundant_labels_alone() -> None:
    """Check 13: five of each; fifteen for three targets."""
    samples = images([40] * 7 + [6] * 3)
    own = lacking([40] * 7 + [6] * 3)
    sent = seeds_of(samples, own, 5, order())
    assert sent.labels.tolist() == [7] * 5 + [8] * 5 + [9] * 5
    assert sent.pixels.shape == (15, 16)
    assert (sent.pixels[:, 0] // 10).tolist() == sent.labels.tolist()
    hidden = lacking([40] * 7 + [6] * 3, redundant_labels=2)
    both = {*hidden.targets.tolist(), *hidden.redundant.tolist()}
    sent = seeds_of(samples, hidden, 5, order())
    assert set(sent.labels.tolist()) == both
    assert len(both) == 5
    assert len(sent.labels) == 25
    # Of a label of which there are two, two; of one that is not held, none.
    few = seeds_of(images([40, 2, 0]), lacking([40, 2, 0]), 5, order())
    assert few.labels.tolist() == [1, 1]


def test_only_images_of_bytes_are_uploaded() -> None:
    floats = Samples(torch.rand(4, 1, 2, 2), torch.tensor([0, 0, 0, 1]))
    with pytest.raises(DataError, match=r"images of bytes for faug.*float32.*set it to none"):
        seeds_of(floats, lacking([3, 1]), 5, order())


@given(st.lists(st.integers(0, 60), min_size=2, max_size=8).filter(any), st.data())
def test_what_is_generated_makes_the_known_labels_even(counts: list[int], data: Any) -> None:
    """Check 14: flat where all labels are known; nothing of others, and no label loses any."""
    own = lacking(counts, target_below=1.0)
    everything = torch.arange(len(counts))
    assert {*(own.counts + own.missing(everything)).tolist()} == {max(counts)}
    known = torch.tensor(data.draw(st.lists(st.sampled_from(range(len(counts))), unique=True)))
    after = own.counts + own.missing(known.long())
    for label, count in enumerate(counts):
        assert after[label] == (max(counts) if label in known.tolist() else count)


def test_generated_samples_are_images_of_the_labels_that_are_missing() -> None:
    task = agreed(3, Images(1, 4, 4), hidden_dim=4, noise_dim=4)
    sent = Generator(*numbers_of(LabelledGenerator(task)), torch.tensor([1, 2]))
    made = generated(sent, lacking([3, 1, 3]), task, order())
    assert made.labels.tolist() == [1, 1]
    assert made.inputs.shape == (2, 1, 4, 4)
    assert made.inputs.dtype == torch.uint8
    assert not torch.equal(made.inputs[0], made.inputs[1])
    again = generated(sent, lacking([3, 1, 3]), task, order())
    assert torch.equal(made.inputs, again.inputs)
    assert len(generated(sent, lacking([3, 3, 3]), task, order())) == 0
    assert len(generated(sent, lacking([2, 3, 3]), task, order())) == 0


def test_oversampling_keeps_seeds_and_labels() -> None:
    seeds = images([2, 0, 3], side=8)
    more = oversampled(seeds, 6, None, order())
    assert more.labels.bincount().tolist() == [6, 0, 6]
    assert torch.equal(more.inputs[:5], seeds.inputs)
    # Every image is of one colour, which comes in at the borders too.
    assert (more.inputs.flatten(1).float().mean(1).round() // 10).long().equal(more.labels)
    assert len(oversampled(seeds, 2, None, order())) == 5


def test_variations_differ_from_their_seed() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8) * 3
    more = oversampled(Samples(ramp, torch.tensor([0])), 9, None, order())
    assert len({tuple(own.flatten().tolist()) for own in more.inputs}) > 7
    assert (more.inputs.float() - ramp.float()).abs().mean() < 40


def test_open_data_are_taken_of_the_seeds_labels() -> None:
    seeds = images([1, 0, 1], side=8)
    pool = images([4, 9, 4], side=8)
    more = oversampled(seeds, 4, pool, order())
    assert more.labels.bincount().tolist() == [4, 0, 4]
    # As many as there are.
    assert oversampled(seeds, 9, pool, order()).labels.bincount().tolist() == [5, 0, 5]


def test_what_is_learnt_is_the_image_of_a_label() -> None:
    """Dark images of one label and bright ones of another come back as such."""
    labels = torch.arange(2).repeat(40)
    pixels = (labels * 160 + 40 + torch.randint(20, (80,), generator=order())).to(torch.uint8)
    real = Samples(pixels.view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous(), labels)
    own = agreed(2, Images(1, 4, 4), hidden_dim=16, steps=400, batch_size=32, learning_rate=0.002)
    seen: list[int] = []
    generator, losses = trained(own, real, CPU, lambda step, _: seen.append(step))
    drawn = generator.drawn(labels, order())
    dark, bright = (drawn[labels == label].float().mean() for label in (0, 1))
    assert abs(dark - 50) < 40
    assert abs(bright - 210) < 40
    assert seen == list(range(400))
    assert losses.keys() == {"faug_generator_loss", "faug_discriminator_loss"}
    again, _ = trained(own, real, CPU, lambda *_: None)
    assert torch.equal(numbers_of(again)[0], numbers_of(generator)[0])


class TorchsAdam:
    """torch's own, with the betas of Radford et al., in the place of ours."""

    def __init__(self, groups: list[Group], **_: object) -> None:
        every = [parameter for group in groups for parameter in group.parameters]
        self.own = torch.optim.Adam(every, betas=(0.5, 0.999))

    def descend(self, loss: Tensor, rate: float) -> None:
        self.own.param_groups[0]["lr"] = rate
        self.own.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.own.step()


def test_both_networks_learn_by_adam_as_such_networks_do(monkeypatch: pytest.MonkeyPatch) -> None:
    task = agreed(2, Images(1, 4, 4), noise_dim=4, hidden_dim=4, steps=5, batch_size=4)
    ends = []
    for rule in (gan.Adam, TorchsAdam):
        monkeypatch.setattr(gan, "Adam", rule)
        generator, losses = trained(task, images([6, 6]), CPU, lambda *_: None)
        ends.append((numbers_of(generator), losses))
    torch.testing.assert_close(ends[0], ends[1])


def test_the_server_makes_what_clients_sent_seeds_of() -> None:
    own = agreed(4, Images(1, 4, 4), hidden_dim=4, steps=3, oversampled=6)
    sent = [images([0, 2, 0, 0]), images([0, 1, 0, 3])]
    uploads = [Seeds(one.inputs.flatten(1), one.labels) for one in sent]
    made = make(own, uploads, None, CPU, lambda *_: None)
    assert made is not None
    generator, said = made
    assert generator.labels.tolist() == [1, 3]
    assert said.diagnostics["faug_seeds"] == 6
    assert said.diagnostics["faug_labels"] == 2
    assert [picture.name for picture in said.pictures] == ["faug-class-1", "faug-class-3"]
    assert said.pictures[0].pixels.shape == (3, 8, 16)
    nothing = [Seeds(one.pixels[:0], one.labels[:0]) for one in uploads]
    assert make(own, nothing, None, CPU, lambda *_: None) is None
    colour = agreed(4, Images(3, 4, 4), hidden_dim=4, steps=3, oversampled=6)
    three = [Seeds(one.pixels.repeat(1, 3), one.labels) for one in uploads]
    made = make(colour, three, None, CPU, lambda *_: None)
    assert made is not None
    assert made[1].pictures[0].pixels.shape == (3, 8, 16)


def test_lengths_follow_from_task_and_settings() -> None:
    own = agreed(10, Images(1, 28, 28))
    up, down = Seeds.sizes(own), Generator.sizes(own)
    assert up.exact == {"value": 784}
    assert up.at_most == {"seed": 50}
    assert down.exact == {"parameters": 1_489_936, "statistics": 3_584}
    assert down.at_most == {"known": 10}
    wide = replace(own, task=Task(10, Images(3, 32, 32), 8))
    assert Seeds.sizes(wide).exact["value"] == prod((3, 32, 32))


def test_a_generator_that_no_training_leads_to_is_refused() -> None:
    own = agreed(3, Images(1, 4, 4), hidden_dim=4)
    sent = Generator.of(LabelledGenerator(own), labels=torch.arange(3))
    assert sent.fault(own) is None
    wrong = replace(sent, statistics=sent.statistics - 2)
    assert wrong.fault(own) == "statistics: expected variances of at least 0, got -1"


def test_the_codes_of_labels_are_alike_everywhere() -> None:
    own = agreed(5, Images(1, 4, 4))
    codes: list[Tensor] = [LabelledGenerator(own).codes for _ in range(2)]
    assert torch.equal(codes[0], codes[1])
    assert len({tuple(row.tolist()) for row in codes[0]}) == 5
    assert "codes" not in LabelledGenerator(own).state_dict()
