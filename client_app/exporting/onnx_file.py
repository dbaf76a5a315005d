"""An exported model for ONNX Runtime: a file that needs neither torch nor Nectar."""

import warnings
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from client_app.exporting.files import Runner

_INPUTS: Final = "inputs"
_OUTPUTS: Final = "outputs"


def write(network: nn.Module, inputs: Tensor, path: Path) -> Runner:
    """Write a network for batches of any size, and return what runs the file."""
    import onnxruntime  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter's own libraries
        batch = torch.export.Dim("batch", min=1)
        program = torch.onnx.export(
            network,
            (inputs[:2].clone(),),
            input_names=[_INPUTS],
            output_names=[_OUTPUTS],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
        if program is None:
            raise RuntimeError("torch.onnx.export returned nothing")
        program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(prepared: Tensor) -> Tensor:
        (found,) = session.run([_OUTPUTS], {_INPUTS: prepared.numpy()})
        return torch.from_numpy(found)

    return run
