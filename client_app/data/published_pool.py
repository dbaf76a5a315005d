"""All samples of clients that PFLlib or HtFLlib already split, as one collection: open data."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from client_app.data import pfllib, pfllib_config
from client_app.data.collection import Collection, Reading
from client_app.data.pfllib_arrays import samples_of
from client_app.data.published import OR_RESAMPLE, as_asked, of_unlike_lengths
from client_app.data.words import Numbering
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


def read(folder: Path, settings: RunSettings) -> Collection:
    """Read every client's file, those to learn from before those to test on.

    Parameters
    ----------
    folder : Path
        As of ``pfllib``.
    settings : RunSettings
        How large pictures are, and how long windows.

    Raises
    ------
    DataError
        If a file cannot be read, or they do not go together.
    """
    paths = [path for path in pfllib.files(folder) if path.suffix == ".npz"]
    parts = [samples_of(path, settings.text_length)[0] for path in paths]
    labels = torch.cat([part.labels for part in parts])
    classes = pfllib_config.declared_classes(folder) or int(labels.max()) + 1
    if int(labels.max()) >= classes:
        raise DataError(
            f"pfllib {folder}: expected labels below the {classes} classes of config.json, got "
            f"{int((labels >= classes).sum())} of {len(labels)} that are not; write in it how many "
            f"classes there are in all"
        )
    vocabulary = max(pfllib_config.vocabulary(folder, part, part) for part in parts)
    asked = [as_asked(part, vocabulary, settings).inputs for part in parts]
    _require_alike(folder, paths, asked)
    inputs = torch.cat(asked)
    return Collection(
        labels,
        pfllib_config.class_names(folder, classes),
        partial(_rows, inputs),
        files=paths,
        # Which word a number is was decided by whoever wrote the files.
        numbering=Numbering(inputs.shape[1], vocabulary, "") if vocabulary else None,
    )


def _rows(inputs: Tensor, rows: Tensor, _side: int) -> Reading:
    return Reading(inputs[rows], torch.arange(len(rows)))


def _require_alike(folder: Path, paths: Sequence[Path], parts: Sequence[Tensor]) -> None:
    """Refuse files whose samples are not of one type and shape.

    Raises
    ------
    DataError
        With two of them.
    """
    for path, part in zip(paths, parts, strict=True):
        kinds = [(one.dtype, tuple(one.shape[1:])) for one in (parts[0], part)]
        if kinds[0] != kinds[1]:
            named = [one.relative_to(folder) for one in (paths[0], path)]
            told = [f"{kind} {shape} in {n}" for (kind, shape), n in zip(kinds, named, strict=True)]
            may_resample = of_unlike_lengths(*(shape for _, shape in kinds))
            raise DataError(
                f"pfllib {folder}: expected x of one type and shape in all files of open data, got "
                f"{told[0]} and {told[1]}; write them alike{OR_RESAMPLE if may_resample else ''}"
            )
