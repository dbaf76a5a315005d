"""FedLoRA's factors as peft stores LoRA: what a client takes away, for use without this app.

``PeftModel.from_pretrained(model, folder)`` puts them on the foundation model, whose digest
stands in the text of the tensor file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from safetensors.torch import save_file

from strategies.common.adapters.export import Exported
from strategies.common.errors import StoreError
from strategies.fedlora.lora import lora_config
from strategies.fedlora.lora_factors import LoraFactors

TENSORS = "adapter_model.safetensors"
# peft calls the network that it wraps so.
_WITHIN = "base_model.model"


@final
@dataclass(frozen=True)
class ExportedLora(Exported):
    """Low-rank factors, in peft's own format.

    Attributes
    ----------
    factors : LoraFactors
        What is added to the foundation model's weights.
    """

    factors: LoraFactors

    @property
    def described(self) -> str:
        """Rank and number of layers."""
        return f"LoRA of rank {self.factors.rank} at {len(self.factors.shape.targets)} layers"

    def write(self, folder: Path, backbone_sha256: str) -> None:
        """Write peft's two files.

        Raises
        ------
        ModelError
            If peft is not installed.
        StoreError
            If a file cannot be written.
        """
        config = lora_config(self.factors)
        config.inference_mode = True
        names = (name for name, _ in self.factors.shape.keys(self.factors.rank))
        tensors = {
            f"{_WITHIN}.{name}": matrix.contiguous()
            for name, matrix in zip(names, self.factors.matrices(), strict=True)
        }
        try:
            config.save_pretrained(str(folder))
            save_file(tensors, folder / TENSORS, {"format": "pt", "backbone": backbone_sha256})
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({error.strerror}); make the folder writable, free "
                f"space on its disk, or name another one"
            ) from None
