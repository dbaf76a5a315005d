"""The layout of ``clients.json``: bytes, and nothing missing or unknown unseen."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from server_app.client_list import ClientList, ListedClient, read_clients, write_clients
from strategies.common.errors import RunFolderError

LISTED = ClientList(
    task={"num_classes": 2, "foundation": None},
    class_names=("ant", "Bär"),
    clients={
        0: ListedClient("cnn", 3, 1, (1, 2), (1, 0), 1, ("small",), {"step_ms": 2.0}, "7", 0),
        10: ListedClient("resnet4", 30, 10, None, None, 5, (), {}, None, 0),
    },
)
# As in a file, to the last space.
TEXT = """{
 "task": {
  "num_classes": 2,
  "foundation": null
 },
 "class_names": [
  "ant",
  "B\\u00e4r"
 ],
 "clients": {
  "0": {
   "model": "cnn",
   "train_samples": 3,
   "test_samples": 1,
   "train_counts": [
    1,
    2
   ],
   "test_counts": [
    1,
    0
   ],
   "clients": 1,
   "notes": [
    "small"
   ],
   "figures": {
    "step_ms": 2.0
   },
   "node_id": "7",
   "generated": 0
  },
  "10": {
   "model": "resnet4",
   "train_samples": 30,
   "test_samples": 10,
   "train_counts": null,
   "test_counts": null,
   "clients": 5,
   "notes": [],
   "figures": {},
   "node_id": null,
   "generated": 0
  }
 }
}"""


def reading(folder: Path, content: object) -> ClientList:
    (folder / "clients.json").write_text(json.dumps(content))
    return read_clients(folder)


def test_the_list_is_written_to_the_last_byte_and_read_back(tmp_path: Path) -> None:
    assert write_clients(LISTED) == TEXT
    (tmp_path / "clients.json").write_text(TEXT)
    assert read_clients(tmp_path) == LISTED


def test_a_folder_without_a_list_has_an_empty_one(tmp_path: Path) -> None:
    assert read_clients(tmp_path) == ClientList({}, (), {})


def test_clients_of_an_older_run_are_read(tmp_path: Path) -> None:
    entries: dict[str, Any] = json.loads(TEXT)
    for entry in entries["clients"].values():
        del entry["clients"], entry["figures"], entry["node_id"]
    told = reading(tmp_path, entries).clients[10]
    assert (told.clients, told.figures, told.model) == (1, {}, "resnet4")
    assert told.node_id is None


@pytest.mark.parametrize("layout", [ClientList, ListedClient])
def test_no_field_has_a_default_that_could_hide_its_absence(layout: type) -> None:
    for field in dataclasses.fields(layout):
        assert field.default is dataclasses.MISSING, field.name
        assert field.default_factory is dataclasses.MISSING, field.name


@pytest.mark.parametrize("key", ["task", "class_names", "clients"])
def test_a_list_without_one_of_its_keys_is_refused(tmp_path: Path, key: str) -> None:
    entries = json.loads(TEXT)
    del entries[key]
    with pytest.raises(RunFolderError, match=rf"clients\.json: {key}: expected a value"):
        reading(tmp_path, entries)


@pytest.mark.parametrize("key", ["model", "train_samples", "test_counts", "notes"])
def test_a_client_without_one_of_its_keys_is_refused(tmp_path: Path, key: str) -> None:
    entries = json.loads(TEXT)
    del entries["clients"]["10"][key]
    with pytest.raises(RunFolderError, match=rf"clients\.10\.{key}: expected a value"):
        reading(tmp_path, entries)


def test_a_key_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    entries = json.loads(TEXT)
    entries["clients"]["0"]["colour"] = "red"
    with pytest.raises(RunFolderError, match=r"clients\.0\.colour: expected no such key"):
        reading(tmp_path, entries)


@pytest.mark.parametrize("content", [[], 3, {"clients": 3}, {"clients": {"0": 3}}])
def test_another_layout_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(RunFolderError, match=r"clients\.json: "):
        reading(tmp_path, content)
