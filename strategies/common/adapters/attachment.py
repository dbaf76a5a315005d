"""Adapters on a network that stays as it is: hooks that add what they are told to, if anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, final

from torch import Tensor, nn

from strategies.common.adapters.sites import Site
from strategies.common.errors import ModelError

Delta = Callable[[Tensor], Tensor]


@final
class Attachment:
    """Hooks at a network's sites.

    They do nothing until :meth:`using` names what is added, and :meth:`detach` takes them
    away: a network that is loaded once per process serves one client after the other. Not
    for two threads at a time.

    Parameters
    ----------
    sites : Sequence[Site]
        Where to hook; of the network in use.

    Examples
    --------
    >>> import torch
    >>> block = nn.Identity()
    >>> with Attachment([Site("layers.0", block, 2, "residual")]) as attachment:
    ...     with attachment.using([lambda hidden: 10 * hidden]):
    ...         block(torch.ones(2))
    tensor([11., 11.])
    """

    def __init__(self, sites: Sequence[Site]) -> None:
        self._deltas: tuple[Delta, ...] | None = None
        self._num_sites = len(sites)
        self._is_attached = True
        self._hooks = [
            site.module.register_forward_hook(self._hook(index, site))
            for index, site in enumerate(sites)
        ]

    def __enter__(self) -> "Attachment":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()

    def detach(self) -> None:
        """Remove the hooks; a second time does nothing."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._is_attached = False

    @contextmanager
    def using(self, deltas: Iterable[Delta]) -> Iterator[None]:
        """Add what these callables return, one per site and in their order, within a block.

        Blocks nest: the inner one counts, and the outer one is in force again behind it. What
        a backward pass needs is kept by the forward pass, so that it may follow outside; but
        see :meth:`checkpoint_contexts`.

        Parameters
        ----------
        deltas : Iterable[Delta]
            Each maps hidden states (batch, tokens, width of its site) to what is added to
            them, of the same shape.

        Raises
        ------
        ModelError
            If there are more or fewer than sites, or the hooks are removed already.
        """
        named = tuple(deltas)
        if len(named) != self._num_sites:
            raise ModelError(
                f"adapters in use: expected one for each of the {self._num_sites} sites, got "
                f"{len(named)}; build them from the same sites as the attachment"
            )
        if not self._is_attached:
            raise ModelError(
                "adapters in use: expected hooks in the network, they are removed already; "
                "attach anew"
            )
        with self._under(named):
            yield

    def checkpoint_contexts(self) -> tuple[AbstractContextManager[None], ...]:
        """Return the contexts of one checkpointed call, first and when it is computed again.

        Gradient checkpointing calls the hooks again in the backward pass. Without these
        contexts, that must lie in the same :meth:`using` block as the forward pass: other
        adapters would be added the second time. Both torch and transformers take this method
        as ``context_fn``, with ``use_reentrant`` false; transformers heeds it in training mode.

        Examples
        --------
        >>> import torch
        >>> from torch.utils.checkpoint import checkpoint
        >>> block, hidden = nn.Linear(2, 2), torch.ones(2, requires_grad=True)
        >>> attachment = Attachment([Site("layers.0", block, 2, "residual")])
        >>> with attachment.using([torch.tanh]):
        ...     again = checkpoint(
        ...         block, hidden, use_reentrant=False, context_fn=attachment.checkpoint_contexts
        ...     )
        >>> again.sum().backward()
        """
        return nullcontext(), self._under(self._deltas)

    @contextmanager
    def _under(self, deltas: tuple[Delta, ...] | None) -> Iterator[None]:
        before = self._deltas
        self._deltas = deltas
        try:
            yield
        finally:
            self._deltas = before

    def _hook(self, index: int, site: Site) -> Callable[[nn.Module, Any, Any], Any]:
        change = _after_norm if site.placement == "post-norm" else _on_output

        def hook(_module: nn.Module, inputs: Any, output: Any) -> Any:
            if self._deltas is None:
                return None
            return change(site, self._deltas[index], inputs, output)

        return hook


def _after_norm(site: Site, delta: Delta, inputs: Any, output: Any) -> Any:
    # Called as a plain method, the normalisation does not enter its hooks a second time.
    return site.module.forward(inputs[0] + delta(output))


def _on_output(site: Site, delta: Delta, _inputs: Any, output: Any) -> Any:
    """Change the hidden states; some blocks return more beside them, such as attention maps."""
    if isinstance(output, Tensor):
        return output + delta(output)
    if type(output) is tuple and output and isinstance(output[0], Tensor):
        return (output[0] + delta(output[0]), *output[1:])
    raise ModelError(
        f"adapters at {site.name}: expected a block that returns hidden states, alone or first "
        f"in a tuple, got {type(output).__name__}; take another backbone"
    )
