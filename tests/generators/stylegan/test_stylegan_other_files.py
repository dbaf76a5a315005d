"""What is said of files that hold no network."""

import io
import json
import os
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from generators.stylegan import unpickling
from generators.stylegan.unpickling import read, read_bytes
from strategies.common.errors import GeneratorError
from tests.generators.stylegan.published import (
    Global,
    Reduction,
    dump,
    publish,
)
from tests.generators.stylegan.test_stylegan_unpickling import generator


def saved(value: object, *, new: bool) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def safetensors_header() -> bytes:
    header = json.dumps({"__metadata__": {}}).encode()
    return struct.pack("<q", len(header)) + header


OTHERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "got an empty file"),
    "random": (lambda: b"\xd3" * 1000, "byte 0: opcode 0xd3 is not allowed"),
    "text": (lambda: b"hello, world\n", "cannot be read as one"),
    "page": (lambda: b"<!DOCTYPE html><html>", "got a page of a web site"),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "got a Git LFS pointer"),
    "zip": (lambda: saved(torch.ones(1), new=True), "got a zip archive"),
    "old torch.save": (lambda: saved(torch.ones(1), new=False), "got a checkpoint of torch.save"),
    "safetensors": (safetensors_header, "got a safetensors file"),
    "numpy": (lambda: b"\x93NUMPY\x01\x00", "got a numpy array"),
    "list": (lambda: pickle.dumps([1]), "got an object of type list"),
    "text pickle": (lambda: pickle.dumps("x"), "got an object of type str"),
    "object": (lambda: pickle.dumps(re.compile("a")), "got an object of 're._compile'"),
    "other keys": (lambda: pickle.dumps({"model": 1, 2: 3}), "got a dictionary with 'model', 2"),
    "empty dictionary": (lambda: pickle.dumps({}), "got a dictionary with nothing"),
    "discriminator": (
        lambda: publish(None, without=("G", "G_ema")),
        "got a discriminator alone (D)",
    ),
    "tensorflow": (
        lambda: dump(tuple(Reduction(Global("dnnlib.tflib.network", "Network")) for _ in "GDg")),
        "got three objects, as the TensorFlow version of StyleGAN wrote them",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_told_apart(name: str, tmp_path: Path) -> None:
    content, reason = OTHERS[name]
    path = tmp_path / "network.pkl"
    path.write_bytes(content())
    with pytest.raises(GeneratorError, match=re.escape(reason)) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: expected a network pickle")
    assert "give the network pickle of StyleGAN2-ADA" in str(caught.value)


def test_a_missing_file_a_folder_and_a_device_are_told(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match="got no such file; check the path"):
        read(tmp_path / "missing.pkl")
    with pytest.raises(GeneratorError, match="got a folder"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(GeneratorError, match="got a device"):
        read(tmp_path / "pipe.pkl")
    with pytest.raises(GeneratorError, match="can be read, got"):
        read(Path("nul\0.pkl"))


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickling, "MAX_FILE_BYTES", 10)
    (tmp_path / "network.pkl").write_bytes(publish(generator()))
    with pytest.raises(GeneratorError, match="a network pickle of at most"):
        read(tmp_path / "network.pkl")


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_file_that_is_cut_anywhere_is_refused(protocol: int) -> None:
    content = publish(generator(), protocol=protocol)
    for length in [*range(0, len(content), 23), len(content) - 1]:
        with pytest.raises(GeneratorError, match=r"^cut\.pkl: expected a network pickle, got"):
            read_bytes(content[:length], "cut.pkl")
