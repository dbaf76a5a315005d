"""Calls into transformers that every family shares: quiet, from disk alone, frozen."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from strategies.common import seeds
from strategies.common.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")

Model = TypeVar("Model", bound="PreTrainedModel")


def require_transformers() -> None:
    """Raise a ModelError that names the extra where transformers is not installed."""
    try:
        import transformers  # noqa: F401, PLC0415
    except ImportError:
        raise ModelError(
            "backbone: expected the library transformers to be installed; install the project "
            "with its feddat extra"
        ) from None


def load_tokenizer(path: Path) -> "PreTrainedTokenizerBase":
    """Load a folder's tokenizer; code that came with it is never run.

    Raises
    ------
    ModelError
        If it has none, or one that cannot be read.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415

    if not any((path / name).is_file() for name in _VOCABULARIES):
        # The library would make one up that knows no word.
        raise ModelError(
            f"backbone {path}: expected a tokenizer beside the weights, in one of "
            f"{', '.join(_VOCABULARIES)}; copy the whole folder"
        )
    try:
        with quiet():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                path, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # tokenizers raise their library's own and plain ones
        raise ModelError(
            f"backbone {path}: expected a tokenizer that can be read, got "
            f"{type(error).__name__}: {error}; copy the whole folder"
        ) from None
    return tokenizer


def load_frozen(
    kind: type[Model],
    path: Path,
    *,
    needed: tuple[str, ...] = ("",),
    options: Mapping[str, bool] | None = None,
) -> Model:
    """Load a folder's weights in float32, without gradients and in evaluation mode.

    Parameters
    ----------
    kind : type[Model]
        Class of transformers.
    path : Path
        The folder; only its safetensors files are read.
    needed : tuple[str, ...]
        Beginnings of the names of weights that must be there; all by default.
    options : Mapping[str, bool] | None
        Passed on to the constructor of the model.

    Raises
    ------
    ModelError
        If weights that are needed are missing or have another shape, which the library
        itself would replace by random ones.
    """
    # With loading info the library returns two values, which its annotation leaves out.
    from_pretrained = cast(Callable[..., tuple[Model, dict[str, Any]]], kind.from_pretrained)
    try:
        # What the library initialises before it loads must not draw from the caller's state.
        with quiet(), seeds.seeded(0):
            model, found = from_pretrained(
                path,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **(options or {}),
            )
    except Exception as error:  # the library raises its own and plain ones
        raise ModelError(
            f"backbone {path}: cannot be loaded as {kind.__name__}: {type(error).__name__}: {error}"
        ) from None
    lost = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    if absent := sorted(name for name in lost if name.startswith(needed)):
        raise ModelError(
            f"backbone {path}: expected the weights of {kind.__name__}, got none or another "
            f"shape for {absent[0]} and {len(absent) - 1} more; name a folder whose weights "
            f"belong to its config.json"
        )
    nn.Module.eval(model).requires_grad_(False)
    return model


def size(configuration: object, name: str) -> int:
    """Read a size from a model's configuration.

    Raises
    ------
    ModelError
        If it is not one whole number from 1 on; images are square.
    """
    found = getattr(configuration, name, None)
    if isinstance(found, int) and found > 0:
        return found
    raise ModelError(
        f"backbone configuration {type(configuration).__name__}: expected {name} to be one whole "
        f"number from 1 on, got {found!r}; name another model"
    )


def text_limit(configuration: object, tokenizer: "PreTrainedTokenizerBase") -> int:
    """Return the most tokens of a text that both model and tokenizer take."""
    return min(size(configuration, "max_position_embeddings"), tokenizer.model_max_length)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing progress bars and reports, and let it again afterwards."""
    from transformers.utils import logging  # noqa: PLC0415

    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
