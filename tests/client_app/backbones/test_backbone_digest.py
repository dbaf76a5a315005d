import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from client_app.backbones.digest import digest
from strategies.common.errors import ModelError

CONFIGURATION: dict[str, object] = {"model_type": "vilt", "hidden_size": 4}
VOCABULARY = {"red": 1, "[PAD]": 0}
WEIGHTS = {"b.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor(2.5)}


def saved(path: Path, weights: dict[str, Tensor]) -> Path:
    safetensors.torch.save_file(weights, path)
    return path


def digest_of(path: Path, weights: dict[str, Tensor]) -> str:
    return digest(CONFIGURATION, VOCABULARY, [saved(path, weights)])


def test_it_hashes_descriptions_then_every_tensor_by_name(tmp_path: Path) -> None:
    expected = hashlib.sha256(
        b'[{"hidden_size":4,"model_type":"vilt"},{"[PAD]":0,"red":1}]\n'
        b'["a.bias","float32",[]]\n'
        + b"\x00\x00\x20\x40"  # 2.5 in little-endian float32
        + b'["b.weight","float32",[2,3]]\n'
        + WEIGHTS["b.weight"].numpy().tobytes()
    )
    assert digest_of(tmp_path / "any.safetensors", WEIGHTS) == expected.hexdigest()


def test_layout_does_not_count(tmp_path: Path) -> None:
    whole = digest_of(tmp_path / "whole", WEIGHTS)
    shards = [saved(tmp_path / name, {name: WEIGHTS[name]}) for name in WEIGHTS]
    turned = dict(reversed(CONFIGURATION.items()))
    assert digest(turned, VOCABULARY, shards) == whole
    assert digest(turned, dict(reversed(VOCABULARY.items())), shards[::-1]) == whole


def test_what_a_library_notes_of_itself_does_not_count(tmp_path: Path) -> None:
    file = saved(tmp_path / "w", WEIGHTS)
    noted = {**CONFIGURATION, "transformers_version": "9", "dtype": "float16", "_name_or_path": "x"}
    nested = {"text": CONFIGURATION}
    assert digest(noted, VOCABULARY, [file]) == digest(CONFIGURATION, VOCABULARY, [file])
    assert digest({"text": noted}, VOCABULARY, [file]) == digest(nested, VOCABULARY, [file])


@pytest.mark.parametrize(
    "changed",
    [
        {**WEIGHTS, "a.bias": torch.tensor(2.5000002)},
        {**WEIGHTS, "b.weight": WEIGHTS["b.weight"].view(3, 2)},
        {**WEIGHTS, "b.weight": WEIGHTS["b.weight"].view(torch.int32)},
        {"b.weight": WEIGHTS["b.weight"], "c.bias": WEIGHTS["a.bias"]},
        {"b.weight": WEIGHTS["b.weight"]},
        {**WEIGHTS, "d": torch.zeros(0)},
    ],
    ids=["value", "shape", "dtype", "name", "absent", "empty"],
)
def test_one_weight_counts(changed: dict[str, Tensor], tmp_path: Path) -> None:
    assert digest_of(tmp_path / "1", WEIGHTS) != digest_of(tmp_path / "2", changed)


def test_configuration_and_vocabulary_count(tmp_path: Path) -> None:
    file = saved(tmp_path / "w", WEIGHTS)
    plain = digest(CONFIGURATION, VOCABULARY, [file])
    assert digest({**CONFIGURATION, "hidden_size": 5}, VOCABULARY, [file]) != plain
    assert digest(CONFIGURATION, {"red": 0, "[PAD]": 1}, [file]) != plain


def test_half_precision_is_read(tmp_path: Path) -> None:
    halves = {"w": torch.ones(3, dtype=torch.bfloat16)}
    others = {"w": torch.ones(3, dtype=torch.float16)}
    assert digest_of(tmp_path / "1", halves) != digest_of(tmp_path / "2", others)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    files = [saved(tmp_path / name, WEIGHTS) for name in ("1", "2")]
    with pytest.raises(ModelError, match=r"got a\.bias twice"):
        digest(CONFIGURATION, VOCABULARY, files)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"w: expected a readable safetensors file"):
        digest(CONFIGURATION, VOCABULARY, [tmp_path / "w"])
