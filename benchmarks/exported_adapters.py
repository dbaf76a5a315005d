"""What clients with adapters answer, and what their exported adapters answer in other hands.

FedDAT's and FedAdapter's leave as bottlenecks, which ``strategies.common.adapters.export`` reads
back; FedLoRA's as peft's own format, which peft loads. The foundation model is a tiny ViLT with
random weights; questions, pictures and answers are those of ``digitgrid``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from client_app import export_adapter
from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.half import client_half
from client_app.node import NodeConfig
from client_app.store import ClientStore
from strategies.common.adapters import export
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.dual import DualAdapter
from strategies.common.adapters.halves import AdapterClientHalf
from strategies.common.adapters.reading import Batch, Reader
from strategies.common.run_config import default_config, read_run
from strategies.common.transport.state import load_tensors
from strategies.fedlora.lora import attached, lora_shape
from strategies.fedlora.lora_factors import LoraFactors
from tests.client_app.backbones import tiny_backbones
from tests.loopback import Federation

_CLIENT: Final = 1
_SMALL: Final[dict[str, bool | int | float | str]] = {
    "data": "digitgrid:function",
    "max-samples": 120,
    "rounds": 2,
    "batch-size": 8,
    "device": "cpu",
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
}


def answers(folder: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield a client's logits (questions, answers) in each method, trained and read back."""
    backbone = tiny_backbones.save(folder / "backbone", "masked")
    for method in ("feddat", "fedadapter", "fedlora"):
        settings = {**_SMALL, "method": method, "adapters.backbone": f"folder:{backbone}"}
        if method == "fedlora":
            settings["fedlora.ranks"] = "2,3"
        Federation(folder / method, 2, settings).play()
        out = folder / f"out-{method}"
        _export(folder / method, out, settings)
        device, state = _client(folder / method, settings)
        (batch,) = Reader(device.backbone, device.test, device.torch_device).ordered()
        with torch.no_grad():
            if method == "fedlora":
                expected = _with_factors(device, state, batch)
            else:
                own = method == "fedadapter"
                adapters = state.adapter if own else DualAdapter(state.frozen, state.local)
                with Answering(device.backbone, state.head) as answering:
                    expected = answering.logits(batch, adapters)
            yield method, expected, _read_back(out, device, batch)


def _export(folder: Path, out: Path, settings: dict[str, Any]) -> None:
    words = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    node = f"partition-id={_CLIENT} num-partitions=2 state-dir={folder / 'state'}"
    named = ["--run=test", f"--out={out}", f"--node-config={node}"]
    if export_adapter.main([*named, *words]):
        raise SystemExit(f"{settings['method']}: nothing was exported; the reason stands above")


def _client(folder: Path, settings: dict[str, Any]) -> tuple[LocalAdapterDevice, Any]:
    """Return a client as its newest state has it."""
    config = {**default_config(), **settings}
    run = read_run(config)
    half = client_half(run, config)
    assert isinstance(half, AdapterClientHalf)  # noqa: S101 - narrows
    place = str(folder / "state")
    node = NodeConfig(partition_id=_CLIENT, num_partitions=2, state_dir=place)
    stored = ClientStore(folder / "state" / "test" / f"{_CLIENT}").newest()
    device = LocalAdapterDevice(half, node, run, stored.round_number)
    device.answers = stored.origin.classes
    half.provided.agree(device.task)
    state = half.start(device)
    load_tensors(state, stored.tensors)
    return device, state


def _with_factors(device: LocalAdapterDevice, state: Any, batch: Batch) -> Tensor:
    """Answer with what a client of FedLoRA last trained, beside what it was trained on."""
    module = device.backbone.module
    shape = lora_shape(module)
    beneath = None if state.beneath is None else LoraFactors.from_rows(shape, state.beneath)
    with attached(module, LoraFactors.from_rows(shape, state.trained), beneath):
        return _answer(device, state.head, batch)


def _read_back(out: Path, device: LocalAdapterDevice, batch: Batch) -> Tensor:
    """Answer with what stands in an exported folder, and the foundation model."""
    weights = load_file(out / export_adapter.HEAD)
    answers, width = weights["head/0.weight"].shape
    head = nn.Sequential(nn.Linear(width, answers))
    head.load_state_dict({name.removeprefix("head/"): w for name, w in weights.items()})
    if (out / export.BOTTLENECKS).exists():
        adapters = export.read(out / export.BOTTLENECKS, device.backbone.sha256)
        with Answering(device.backbone, head) as answering:
            return answering.logits(batch, adapters)
    from peft import PeftModel  # noqa: PLC0415 - an extra

    # It changes the module in place, which nothing uses afterwards.
    PeftModel.from_pretrained(device.backbone.module, str(out))
    return _answer(device, head, batch)


def _answer(device: LocalAdapterDevice, head: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = head(device.backbone.features(batch.images, batch.tokens, batch.mask))
    return logits
