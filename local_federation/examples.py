"""What clients answer to their first test questions: pictures for a run's report.

Needs the devices' private states, so that it works where clients and server share a
machine, and nowhere else.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.half import client_half
from client_app.node import NodeConfig
from client_app.store import ClientStore
from server_app import examples
from server_app.checkpoints import Checkpoint, Checkpoints
from server_app.examples import Example
from server_app.half import server_half
from server_app.run_record import read_run_record
from strategies.common.adapters.halves import AdapterClientHalf
from strategies.common.errors import RunFolderError
from strategies.common.new_file import whole
from strategies.common.run_config import RunConfig, default_config, read_run
from strategies.common.settings import RunSettings
from strategies.common.transport.compute import threads
from strategies.common.transport.state import load_tensors


def answer(run_dir: Path, count: int) -> None:
    """Let every client of a finished run answer its first test questions, and keep them.

    Parameters
    ----------
    run_dir : Path
        Folder of a run of a method with adapters, played on this machine.
    count : int
        Questions per client.

    Raises
    ------
    RunFolderError
        If the run has no checkpoint.
    """
    run = read_run_record(run_dir)
    known = default_config()
    config = {key: value for key, value in run.settings.items() if key in known}
    settings = read_run(config)
    checkpoint, _ = Checkpoints(run_dir / "checkpoints").load(at_most=settings.rounds)
    if checkpoint is None:
        raise RunFolderError(f"{run_dir}: expected a checkpoint, found none; play the run first")
    folder = run_dir / examples.FOLDER
    folder.mkdir(exist_ok=True)
    answered: list[Example] = []
    with threads(settings.client_threads):
        for partition in sorted(run.clients):
            node = NodeConfig(partition_id=partition, num_partitions=len(run.clients))
            answered += _answer(config, settings, node, checkpoint, folder, count)
    examples.save(run_dir, tuple(answered))


def _answer(
    config: RunConfig,
    settings: RunSettings,
    node: NodeConfig,
    checkpoint: Checkpoint,
    folder: Path,
    count: int,
) -> list[Example]:
    half = client_half(settings, config)
    assert isinstance(half, AdapterClientHalf)  # noqa: S101 - the caller's methods
    device = LocalAdapterDevice(half, node, settings, checkpoint.round_number)
    place = Path(settings.state_dir) / settings.run_name / str(node.partition_id)
    stored = ClientStore(place).load(checkpoint.accepted.get(node.partition_id, 0))
    device.answers = stored.origin.classes
    state = half.start(device)
    if stored.round_number:
        load_tensors(state, stored.tensors)
    downlink = _downlink(config, settings, checkpoint)
    asked = device.test.rows(torch.arange(min(count, len(device.test))))
    given = half.answers(device, state, downlink, asked)
    names = device.data.class_names
    found = []
    for number, label in enumerate(given.tolist()):
        picture = f"client-{node.partition_id}-{number}.png"
        _draw(asked.inputs[number], folder / picture)
        right = names[int(asked.labels[number])]
        question = asked.questions[number]
        found.append(Example(node.partition_id, picture, question, right, names[label]))
    return found


def _downlink(config: RunConfig, settings: RunSettings, checkpoint: Checkpoint) -> Any:
    server = server_half(settings, config)
    server.provided.agree(checkpoint.task)
    state = server.start()
    load_tensors(state, checkpoint.tensors)
    return server.broadcast(state)


def _draw(pixels: Tensor, path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - not needed to print the help

    image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    with whole(path) as file:
        image.save(file, format="PNG")
