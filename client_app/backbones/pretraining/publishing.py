"""A finished model becomes a folder that is either whole or not there."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from client_app.backbones import pretrained
from client_app.backbones.pretraining.recipe import IMAGE_SIZE
from client_app.new_folder import MADE, REPLACED, aside
from strategies.common.errors import StoreError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ViltForMaskedLM

CARD = "model_card.json"


def is_published(folder: Path) -> bool:
    """Tell whether a folder holds a model that was written here."""
    return (folder / CARD).is_file()


def publish(
    model: "ViltForMaskedLM",
    tokenizer: "PreTrainedTokenizerBase",
    card: Mapping[str, object],
    folder: Path,
) -> None:
    """Write a model in the layout of ``save_pretrained``, with its card, in one move.

    What stood there before is replaced.

    Parameters
    ----------
    model, tokenizer
        What is written.
    card : Mapping[str, object]
        JSON values: how the model came about.
    folder : Path
        Where it will stand.

    Raises
    ------
    StoreError
        If it cannot be written; whatever stood there is untouched.
    """
    from transformers import ViltImageProcessor  # noqa: PLC0415

    try:
        with aside(folder) as temporary:
            made = temporary / MADE
            with pretrained.quiet():
                model.save_pretrained(made)
                tokenizer.save_pretrained(made)
                ViltImageProcessor(size={"shortest_edge": IMAGE_SIZE}).save_pretrained(made)
            (made / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
            _let_others_read(made)
            _sync(made)
            if folder.exists():
                folder.replace(temporary / REPLACED)
            made.replace(folder)
    except (OSError, shutil.Error) as error:
        raise StoreError(
            f"{folder}: cannot be written ({error}); make its parent folder writable, free space "
            f"on its disk, or name another one with --out"
        ) from None


def _let_others_read(folder: Path) -> None:
    """Give all files the rights of one that was simply written.

    safetensors keeps its file to its owner; a device's service may run under another account.
    """
    rights = (folder / CARD).stat().st_mode
    for path in folder.iterdir():
        path.chmod(rights)


def _sync(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
