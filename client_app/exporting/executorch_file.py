"""An exported model for ExecuTorch, which runs on phones and boards without Python."""

from pathlib import Path

import torch
from torch import Tensor, nn

from client_app.exporting.files import Runner


def write(network: nn.Module, inputs: Tensor, path: Path) -> Runner:
    """Write a network for one input at a time, and return what runs the file."""
    from executorch.exir import to_edge  # noqa: PLC0415
    from executorch.runtime import Runtime  # noqa: PLC0415

    program = torch.export.export(network, (inputs[:1].clone(),))
    path.write_bytes(to_edge(program).to_executorch().buffer)
    method = Runtime.get().load_program(path).load_method("forward")

    def run(prepared: Tensor) -> Tensor:
        return torch.cat([method.execute([row.clone()])[0] for row in torch.split(prepared, 1)])

    return run
