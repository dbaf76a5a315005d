"""What crosses per step: the published latents to the byte, and a small header."""

import pytest
import torch

from strategies.common.agreed import Agreed, Need
from strategies.common.inputs import Images
from strategies.common.run_config import default_config, read_run, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import Activations, CodecName, Gradients
from strategies.common.split.wire.framing import Framer
from strategies.common.task import Task
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.wire import frame_spec

CIFAR = Task(10, Images(3, 32, 32), 512)
# Step, shapes and lengths; a scale per tensor or per channel comes on top where a codec has one.
HEADER = 64
LATENTS = [
    *((1, "", 262_144), (2, "", 262_144), (4, "", 131_072), (6, "", 65_536)),
    *((1, "C4S2", 4096), (2, "C4S2", 4096), (2, "C2S2", 2048), (2, "C8S2", 8192)),
]
SCALE = 4


def framer(batch: int, codec: CodecName = "float32", **network: object) -> Framer:
    named = {f"split.{key}": value for key, value in network.items()}
    half = "float32" if codec == "float32" else "float16"
    config = {**default_config(), **named, "split.codec": codec, "split.gradient-codec": half}
    split = read_table(config, "split", SplitSettings)
    own = read_table(config, "mocosfl", MocoSFLSettings)
    agreed = Agreed(CIFAR, read_run(config), own, {Need.SPLIT: split})
    return Framer(frame_spec(agreed, (0,), batch), "node 0")


def lengths(frames: Framer) -> tuple[int, int]:
    shape = (1, frames.spec.batch, *frames.spec.tensors[0].shape)
    views = torch.rand(shape)
    up = frames.write_activations(Activations(1, (views, views)))
    down = frames.write_answer(Gradients(1, views))
    return len(up), len(down)


@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize(("cut", "bottleneck", "latent_bytes"), LATENTS)
def test_two_latents_go_up_and_one_gradient_comes_down(
    cut: int, bottleneck: str, latent_bytes: int, batch: int
) -> None:
    up, down = lengths(framer(batch, cut=cut, bottleneck=bottleneck))
    assert 0 < up - 2 * batch * latent_bytes <= HEADER
    assert 0 < down - batch * latent_bytes <= HEADER


def test_smaller_codecs_cross_as_the_table_says() -> None:
    up, down = lengths(framer(3, "float16", cut=2, bottleneck="C4S2"))
    assert 0 < up - 2 * 3 * 2048 <= HEADER
    assert 0 < down - 3 * 2048 <= HEADER + SCALE
    up, _ = lengths(framer(3, "uint8", cut=2, bottleneck="C4S2"))
    channels = 4
    assert 0 < up - 2 * 3 * (1024 + SCALE * channels) <= HEADER
