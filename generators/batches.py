"""Drawing in batches that fit into memory."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from generators.memory import measure
from strategies.common.errors import GeneratorError
from strategies.common.out_of_memory import is_out_of_memory


@final
class Batches:
    """Draws batch by batch; a batch that does not fit is halved from then on.

    Parameters
    ----------
    name : str
        Name of the generator, for the message.
    draw : Callable[[Tensor], Tensor]
        Turns a batch of latents into images on the CPU.
    advice : str
        What to lower when a single image does not fit.
    """

    def __init__(self, name: str, draw: Callable[[Tensor], Tensor], advice: str) -> None:
        self._name = name
        self._draw = draw
        self._advice = advice
        self._size = 1

    @property
    def size(self) -> int:
        """Images drawn at once; without ``choose`` one."""
        return self._size

    def choose(self, size: int, latent_dim: int, device: torch.device) -> None:
        """Set how many images are drawn at once.

        Parameters
        ----------
        size : int
            A number, or 0 for one at a time on a CPU, where an image is then the same to the
            last bit whatever is drawn beside it, and for what free memory holds on a GPU.
        latent_dim : int
            Width of a latent.
        device : torch.device
            Where images are drawn.

        Raises
        ------
        GeneratorError
            If a single image does not fit into memory.
        """
        if size == 0 and device.type == "cuda":
            probe = torch.zeros(1, latent_dim, device=device)
            size = measure(lambda: self.draw(probe), device)
        self._size = size or 1

    def draw(self, latents: Tensor) -> Tensor:
        """Draw one image per latent, from latents (count, latent), at least one.

        Raises
        ------
        GeneratorError
            If a single image does not fit into memory.
        """
        images: list[Tensor] = []
        done = 0
        while done < len(latents):
            drawn = self._attempt(latents[done : done + self._size])
            if drawn is not None:
                images.append(drawn)
                done += len(drawn)
        return torch.cat(images)

    def _attempt(self, latents: Tensor) -> Tensor | None:
        """Draw, or halve the batch and return nothing where memory ran out."""
        try:
            return self._draw(latents)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            told = f"{error!s:.200}"
        # Not above: an error that is being handled keeps the attempt's tensors alive.
        if self._size == 1:
            raise GeneratorError(
                f"generator {self._name}: one image does not fit into memory; {self._advice}: "
                f"{told}"
            )
        self._size //= 2
        torch.cuda.empty_cache()
        return None
