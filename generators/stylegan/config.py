"""Settings of a network's geometry: strict, bounded and stored as JSON beside the weights."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# The widest published layer has 1,024 channels and the largest picture 1,024 pixels.
Width = Annotated[int, Field(ge=1, le=8192)]


class NetworkConfig(BaseModel):
    """Base of what describes a network; a file may hold anything, so all is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
