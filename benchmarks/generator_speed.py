"""Speed of the generators, as ratios that are measured in one run.

Diffusion: the adapter against the bare call of diffusers with the same pipeline, prompt
embeddings, noise and batch; a random UNet of some ten million parameters. StyleGAN: the
synthesis at 256 pixels and batch 8, random weights of the published sizes, against its
convolutions alone: the same shapes run bare, without modulation, noise, filters and
rectifiers, in the faster of the two memory layouts. Low-pass filters (convolutions that
mix no channels) do not count: a network without them would be as strong.

Contestants take turns, and medians count. All run on one thread, as a server does by
default, and seconds are the process's CPU seconds, so that other processes count little.
With ``--gpu`` images per second and peak memory of random networks of the published sizes
are printed too; ``--part gpu`` prints nothing else.

Run with ``python -m benchmarks.generator_speed [--gpu]``.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from rich.console import Console
from torch import Tensor
from torch.overrides import TorchFunctionMode

from benchmarks.random_pipelines import Geometry, save
from generators.build import build
from generators.diffusers.silence import silenced
from generators.stylegan.stylegan2 import StyleGAN2Config, StyleGAN2Synthesis
from generators.stylegan.stylegan3_design import published_design, random_stylegan3
from strategies.common import seeds
from strategies.common.image_generator import ImageGenerator
from strategies.common.run_config import default_config

# A UNet of 12 million parameters at 16 x 16, whose images have 64 x 64 pixels.
_MIDDLE = Geometry(
    sample_size=16,
    unet_channels=(64, 128, 192),
    vae_channels=(32, 64, 64),
    layers_per_block=2,
    norm_groups=32,
    head_channels=8,
    attention=(True, True, False),
)
# Stable Diffusion 1.5, except for a shorter text encoder.
_SD15 = Geometry(
    sample_size=64,
    unet_channels=(320, 640, 1280, 1280),
    vae_channels=(128, 256, 512, 512),
    layers_per_block=2,
    norm_groups=32,
    head_channels=8,
    attention=(True, True, True, False),
    text_width=768,
)
_STEPS = 4
_PICTURES = 8
_BATCH = 8
# Channels at 4, 8, ... 256 pixels: min(32768 / size, 512).
_STYLEGAN2_256 = StyleGAN2Config(w_dim=512, channels=(512, 512, 512, 512, 512, 256, 128))


def main() -> None:
    """Print every ratio, and what a GPU does if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--part", choices=("all", "diffusion", "stylegan", "gpu"), default="all")
    parser.add_argument("--gpu", action="store_true", help="also measure on a GPU")
    arguments = parser.parse_args()
    console = Console()
    torch.set_num_threads(1)
    console.print(f"one thread, medians of {arguments.repetitions} repetitions, CPU seconds")
    with torch.no_grad():
        if arguments.part in ("all", "diffusion"):
            compare_diffusion(console, arguments.repetitions)
        if arguments.part in ("all", "stylegan"):
            compare_stylegan(console, arguments.repetitions)
        if arguments.gpu or arguments.part == "gpu":
            if torch.cuda.is_available():
                measure_gpu(console)
            else:
                console.print("no GPU at hand")


def compare_diffusion(console: Console, repetitions: int) -> None:
    """Print the adapter's time over the bare call's."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = save("sd", Path(temporary), _MIDDLE)
        batched = diffusion(folder, torch.device("cpu"), batch_size=_PICTURES)
        single = diffusion(folder, torch.device("cpu"), batch_size=0)
        bare = bare_call(folder)
    latents = batched.sample_latents(_PICTURES, seeds.generator(0, "speed"))
    seconds = alternate(
        {
            "bare": lambda: bare(latents),
            "adapter": lambda: batched.synthesize(latents),
            "bare single": lambda: [bare(latent[None]) for latent in latents],
            "adapter single": lambda: single.synthesize(latents),
        },
        repetitions,
    )
    console.print(f"diffusers, {_PICTURES} images in {_STEPS} steps")
    for how, suffix in (("in one batch", ""), ("one by one, the default", " single")):
        floor, taken = seconds[f"bare{suffix}"], seconds[f"adapter{suffix}"]
        console.print(
            f"  {how}: bare call {floor:.2f} s, adapter {taken:.2f} s, ratio {taken / floor:.3f}"
        )


def diffusion(
    folder: Path, device: torch.device, batch_size: int, dtype: str = "auto"
) -> ImageGenerator:
    """Build the adapter of a saved pipeline."""
    changes: dict[str, int | str] = {
        "diffusers.batch-size": batch_size,
        "diffusers.steps": _STEPS,
        "diffusers.dtype": dtype,
    }
    return build(f"diffusers:{folder}", {**default_config(), **changes}, device)


def bare_call(folder: Path) -> Callable[[Tensor], Tensor]:
    """Return the library's own call, from latents to images in [0, 1]."""
    import diffusers  # noqa: PLC0415

    library: Any = diffusers
    with silenced():
        pipe = library.StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = library.DPMSolverMultistepScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing"
    )
    wanted, unwanted = pipe.encode_prompt("a cat", torch.device("cpu"), 1, True)
    size = pipe.unet.config.sample_size

    def call(latents: Tensor) -> Tensor:
        images: Tensor = pipe(
            prompt_embeds=wanted.repeat(len(latents), 1, 1),
            negative_prompt_embeds=unwanted.repeat(len(latents), 1, 1),
            latents=latents.view(len(latents), -1, size, size),
            num_inference_steps=_STEPS,
            guidance_scale=7.5,
            output_type="pt",
        ).images
        return images

    return call


def compare_stylegan(console: Console, repetitions: int) -> None:
    """Print the synthesis networks' times over those of their convolutions."""
    with seeds.seeded(0):
        stylegan2 = StyleGAN2Synthesis(_STYLEGAN2_256).eval()
    stylegan3 = random_stylegan3(published_design("t", 256), seed=0).eval()
    networks = {
        "StyleGAN2": (stylegan2, stylegan2.num_ws),
        "StyleGAN3-t": (stylegan3, stylegan3.num_ws),
    }
    for name, (network, num_ws) in networks.items():
        ws = torch.randn(_BATCH, 1, 512, generator=seeds.generator(0, "speed"))
        ws = ws.expand(-1, num_ws, -1)
        with Convolutions() as recorded:
            network(ws)
        last = torch.channels_last
        seconds = alternate(
            {
                "synthesis": partial(network, ws),
                "rows": partial(run, recorded.bare(torch.contiguous_format)),
                "channels": partial(run, recorded.bare(last)),
            },
            repetitions,
        )
        floor = min(seconds["rows"], seconds["channels"])
        console.print(
            f"{name}, 256 pixels, batch {_BATCH}: its {len(recorded.calls)} convolutions "
            f"{floor:.2f} s\n"
            f"  synthesis: {seconds['synthesis']:.2f} s, ratio {seconds['synthesis'] / floor:.3f}"
        )


@final
class Convolutions(TorchFunctionMode):
    """Records every convolution that mixes channels, by its shapes.

    Attributes
    ----------
    calls : list
        Function, shapes of features and weights, and what follows them in the call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, torch.Size, torch.Size, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note a convolution, and let it go on."""
        kwargs = kwargs or {}
        if func in (torch.conv2d, torch.conv_transpose2d) and args[1].shape[1] > 1:
            features, weight, *rest = args
            self.calls.append((func, features.shape, weight.shape, tuple(rest), kwargs))
        return func(*args, **kwargs)

    def bare(self, layout: torch.memory_format) -> list[Callable[[], Tensor]]:
        """Return the same convolutions of random numbers that lie in one layout."""
        randomness = seeds.generator(0, "convolutions")

        def numbers(shape: torch.Size) -> Tensor:
            return torch.randn(shape, generator=randomness).contiguous(memory_format=layout)

        return [
            partial(func, numbers(features), numbers(weight), *rest, **kwargs)
            for func, features, weight, rest, kwargs in self.calls
        ]


def run(calls: list[Callable[[], Tensor]]) -> None:
    """Do one call after the other and forget what comes out."""
    for call in calls:
        call()


def alternate(contestants: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Return the median CPU seconds of each, which take turns after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for repetition in range(repetitions + 1):
        for name, contestant in contestants.items():
            begin = time.process_time()
            contestant()
            if repetition:
                seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def measure_gpu(console: Console) -> None:
    """Print images per second and peak memory of the published sizes."""
    device = torch.device("cuda")
    console.print(torch.cuda.get_device_name(device))
    # Drawing random weights of this size takes minutes on one thread.
    torch.set_num_threads(os.cpu_count() or 1)
    with seeds.seeded(0):
        networks: dict[str, tuple[Any, int]] = {
            "StyleGAN2 256": (StyleGAN2Synthesis(_STYLEGAN2_256), _STYLEGAN2_256.w_dim)
        }
    designs = {
        "StyleGAN3-t 512": published_design("t", 512),
        "StyleGAN3-r 512, radial filters": published_design("r", 512),
        "StyleGAN-XL 64": published_design("xl", 64),
    }
    for name, design in designs.items():
        networks[name] = (random_stylegan3(design, seed=0), design.w_dim)
    for name, (network, w_dim) in networks.items():
        network.eval().to(device)
        ws = torch.randn(_BATCH, network.num_ws, w_dim, device=device)
        network(ws)
        with timed(console, name, _BATCH):
            network(ws).cpu()
        network.cpu()
        torch.cuda.empty_cache()
    with tempfile.TemporaryDirectory() as temporary:
        folder = save("sd", Path(temporary), _SD15)
        for dtype in ("float32", "float16"):
            generator = diffusion(folder, device, batch_size=_BATCH, dtype=dtype)
            latents = generator.sample_latents(_BATCH, seeds.generator(0, "speed"))
            generator.synthesize(latents)
            with timed(console, f"Stable Diffusion 1.5, {_STEPS} steps, {dtype}", _BATCH):
                generator.synthesize(latents)
            del generator
            torch.cuda.empty_cache()


@contextmanager
def timed(console: Console, name: str, images: int) -> Iterator[None]:
    """Print how fast a block drew on the GPU, and its peak memory with the network."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    yield
    torch.cuda.synchronize()
    speed = images / (time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated() / 2**30
    console.print(f"  {name}: {speed:.1f} images/s, peak {peak:.1f} GiB at batch {images}")


if __name__ == "__main__":
    main()
