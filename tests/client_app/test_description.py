"""What devices say of their data, and whether the server takes it for one task."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data import partition
from client_app.data.partition import Share
from client_app.description import describe_device
from client_app.devices.kinds import device_for
from client_app.half import client_half
from client_app.node import NodeConfig
from server_app.agreement import Agreement
from strategies.common.errors import DataError, SettingsError
from strategies.common.names import digest
from strategies.common.run_config import default_config, read_run
from strategies.common.transport.control import Description
from strategies.common.transport.envelope import read_control_record, to_record_dict

SMALL = {
    "method": "local",
    "models": "cnn",
    "feature-dim": 4,
    "device": "cpu",
    "data": "digits",
    "partition": "iid",
    "min-train-samples": 2,
    "min-test-samples": 1,
}
Value = bool | int | float | str


def describe(
    folder: Path, data: str = "", client: int = 0, of: int = 3, **settings: Value
) -> Description:
    """Describe a device as the server reads it, with a state folder of its own."""
    named = {key.replace("_", "-"): value for key, value in settings.items()}
    config: Mapping[str, Value] = {**default_config(), **SMALL, **named}
    run = read_run(config)
    half = client_half(run, config)
    node = NodeConfig(
        partition_id=client, num_partitions=of, state_dir=str(folder / f"state-{client}"), data=data
    )
    told = to_record_dict(describe_device(half, device_for(half, node, run, 0)), None)
    return read_control_record(told, Description, sender="node")


def refusals(*clients: Description) -> list[str | None]:
    agreement = Agreement(private_classes=False)
    task = agreement.reach(clients)
    return [agreement.objection(task, client) for client in clients]


def pictures(place: Path, *names: str, mode: str = "RGB") -> str:
    for number, name in enumerate(names):
        (place / name).mkdir(parents=True)
        for index in range(4):
            colour = (60 * index, 20 * number, 250) if mode == "RGB" else 60 * index + number
            Image.new(mode, (8, 8), colour).save(place / name / f"{index}.png")
    return f"folder:{place}"


def published(place: Path, dtype: str, client: int, *, highest: int = 1, channels: int = 1) -> str:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (place / part).mkdir(parents=True, exist_ok=True)
        x = rng.integers(0, 256, (6, channels, 8, 8)).astype(dtype)
        data = np.empty((), dtype=object)
        data[()] = {"x": x, "y": np.arange(6) % (highest + 1)}
        np.savez(place / part / f"{client}.npz", data=data)
    return f"pfllib:{place}"


def test_one_folder_from_linux_and_from_a_mac_has_the_same_classes(tmp_path: Path) -> None:
    # Decomposed, the accent follows the e, so that its folder sorts before "eau"'s; composed it
    # sorts after "zoo"'s.
    linux = describe(tmp_path, pictures(tmp_path / "linux", "\u00e9cole", "eau", "zoo"), 0)
    mac = describe(tmp_path, pictures(tmp_path / "mac", "e\u0301cole", "eau", "zoo"), 1)
    assert linux.class_names == mac.class_names == ["eau", "zoo", "\u00e9cole"]
    assert linux.class_digest == mac.class_digest
    assert refusals(linux, mac) == [None, None]
    other = describe(tmp_path, pictures(tmp_path / "other", "ecole", "eau", "zoo"), 2)
    assert "missing here: \u00e9cole; only here: ecole" in (refusals(linux, mac, other)[2] or "")


def test_names_stay_on_a_device_that_keeps_them(tmp_path: Path) -> None:
    data = pictures(tmp_path / "photos", "cats", "dogs")
    (tmp_path / "photos" / "cats" / "broken.png").write_bytes(b"no image")
    told = describe(tmp_path, data, share_class_names=False)
    assert told.class_names == []
    assert told.class_digest == digest(["cats", "dogs"])
    (note,) = told.notes
    assert note.endswith("that cannot be decoded (class 0/broken.png)")
    assert "cats" not in note
    assert "dogs" not in note
    open_ = describe(tmp_path, data, 1)
    assert open_.class_names == ["cats", "dogs"]
    assert open_.notes[0].endswith("that cannot be decoded (cats/broken.png)")
    assert refusals(told, open_) == [None, None]


def test_a_node_says_once_what_holds_of_all_its_clients(tmp_path: Path) -> None:
    told = describe(
        tmp_path, of=2, method="mocosfl", clients_per_node=3, partition="shards", image_size=16
    )
    assert told.clients == 3
    (note,) = told.notes
    assert "went to no client" in note


def test_an_image_whose_name_is_no_text_does_not_end_a_run(tmp_path: Path) -> None:
    data = pictures(tmp_path / "photos", "cats", "dogs")
    odd = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    (tmp_path / "photos" / "cats" / odd).write_bytes(b"no image")
    (note,) = describe(tmp_path, data).notes
    assert note.endswith("that cannot be decoded (cats/caf\\xe9.png)")


def test_shares_of_common_data_tell_which_data_and_how_many_partitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who gets which rows is not asked here, and costs an import of seconds.
    monkeypatch.setattr(partition, "deal", lambda labels, *_: Share(torch.arange(4), ()))
    data = pictures(tmp_path / "photos", "cats", "dogs").replace("folder:", "images:")
    three = [describe(tmp_path, data, client) for client in (0, 1)]
    assert three[0].source == "images"
    assert three[0].dealt == three[1].dealt
    assert len(three[0].dealt) == 64
    four = describe(tmp_path, data, client=3, of=4)
    said = refusals(*three, four)
    assert said[:2] == [None, None]
    assert "expected num-partitions=3 as most clients have, got num-partitions=4" in (said[2] or "")
    more = pictures(tmp_path / "more", "cats", "dogs").replace("folder:", "images:")
    (tmp_path / "more" / "dogs" / "3.png").rename(tmp_path / "more" / "cats" / "4.png")
    other = refusals(*three, describe(tmp_path, more, client=2))[2] or ""
    assert "expected the data that most clients take their shares of, images (sha256 " in other


def test_a_device_with_a_folder_joins_without_a_change_on_the_others(tmp_path: Path) -> None:
    three = [
        describe(tmp_path, pictures(tmp_path / str(client), "cats", "dogs"), client)
        for client in range(3)
    ]
    fourth = describe(tmp_path, pictures(tmp_path / "3", "cats", "dogs"), 3, of=4)
    assert {client.dealt for client in (*three, fourth)} == {""}
    assert refusals(*three, fourth) == [None] * 4


def test_whole_numbers_are_bytes_whatever_their_type_and_floats_are_told_apart(
    tmp_path: Path,
) -> None:
    place = tmp_path / "data"
    kinds = ("uint8", "int64", "float64")
    clients = [describe(tmp_path, published(place, kind, n), n) for n, kind in enumerate(kinds)]
    assert [client.values for client in clients] == ["bytes", "bytes", "floats"]
    assert clients[0].highest == clients[1].highest == clients[2].highest > 240
    said = refusals(*clients)
    assert said[:2] == [None, None]
    assert "expected values like bytes from 0 to 25" in (said[2] or "")
    assert "taken as they are: networks learn best near [-1, 1]" in clients[2].notes[0]
    assert clients[0].notes == clients[1].notes == []


def test_labels_that_were_counted_are_told_as_the_cause(tmp_path: Path) -> None:
    clients = [
        describe(tmp_path, published(tmp_path / f"{n}-few", "uint8", n, highest=high), n)
        for n, high in enumerate((3, 1, 1))
    ]
    first, *others = refusals(*clients)
    assert others == [None, None]
    assert "config.json beside the pfllib files is missing or gives no num_classes" in (first or "")
    for n in range(3):
        (tmp_path / f"{n}-few" / "config.json").write_text('{"num_classes": 4}')
    declared = [describe(tmp_path, f"pfllib:{tmp_path}/{n}-few", n) for n in range(3)]
    assert [client.classes_counted for client in declared] == [False] * 3
    assert refusals(*declared) == [None] * 3


@pytest.mark.parametrize("source", ["folder", "pfllib"])
def test_the_setting_that_is_advised_to_grey_and_coloured_devices_helps(
    tmp_path: Path, source: str
) -> None:
    if source == "folder":
        data = [pictures(tmp_path / m, "a", "b", mode=m) for m in ("RGB", "L")]
    else:
        data = [published(tmp_path / str(n), "uint8", n, channels=3 - 2 * n) for n in (0, 1)]
    as_they_are = [describe(tmp_path, place, n) for n, place in enumerate(data)]
    assert "set channels=3 to read all in colour" in "".join(filter(None, refusals(*as_they_are)))
    for channels in (1, 3):
        clients = [describe(tmp_path, p, n, channels=channels) for n, p in enumerate(data)]
        assert refusals(*clients) == [None, None]
        assert clients[0].sizes == clients[1].sizes == [channels, 8, 8]


def test_where_windows_are_normalised_their_range_is_nobodys_business(tmp_path: Path) -> None:
    data = {}
    for client, unit in enumerate((1.0, 1000.0)):
        for part in ("train", "test"):
            (tmp_path / "har" / part).mkdir(parents=True, exist_ok=True)
            own = np.empty((), dtype=object)
            noise = np.random.default_rng(client).normal(size=(8, 2, 32))
            own[()] = {"x": (unit * noise).astype(np.float32), "y": np.arange(8) % 2}
            np.savez(tmp_path / "har" / part / f"{client}.npz", data=own)
        data[client] = f"pfllib:{tmp_path / 'har'}"

    def told(**settings: Value) -> list[Description]:
        models = {"models": "sensor_cnn1", **settings}
        return [describe(tmp_path, data[n], n, 2, **models) for n in (0, 1)]

    assert [client.values for client in told()] == ["readings", "readings"]
    assert sum(said is not None for said in refusals(*told())) == 1
    normalised = told(normalise="channels")
    assert [(client.values, client.highest) for client in normalised] == [("", 0.0), ("", 0.0)]
    assert refusals(*normalised) == [None, None]


@pytest.mark.parametrize("normalise", ["none", "channels"])
def test_values_that_no_sensor_has_are_refused_before_anything_is_learnt(
    tmp_path: Path, normalise: str
) -> None:
    for part in ("train", "test"):
        (tmp_path / "har" / part).mkdir(parents=True)
        x = np.random.default_rng(0).normal(size=(8, 2, 32)).astype(np.float32)
        x[3, 1, 7] = -3e38
        own = np.empty((), dtype=object)
        own[()] = {"x": x, "y": np.arange(8) % 2}
        np.savez(tmp_path / "har" / part / "0.npz", data=own)
    with pytest.raises(DataError, match=r"expected values of at most 1e\+18 to learn from"):
        describe(tmp_path, f"pfllib:{tmp_path / 'har'}", models="sensor_cnn1", normalise=normalise)


def test_a_client_whose_samples_are_open_as_well_says_how_many(tmp_path: Path) -> None:
    """Links and copies have paths of their own: what lies in them tells."""
    own, opened = tmp_path / "own.csv", tmp_path / "open.csv"
    rows = [f"{n}.5,{'xy'[n % 2]},{n * n}.25" for n in range(80)]
    own.write_text("\n".join(["height,kind,weight", *rows[:40]]))
    opened.write_text("\n".join(["height,kind,weight", *rows[30:]]))
    told = {"method": "dsfl", "models": "mlp", "label_column": "kind"}
    there = describe(tmp_path, f"own-csv:{own}", open_data=f"csv:{opened}", **told)
    assert [note for note in there.notes if note.startswith("open data: 10 of the 40 samples")]
    copied = tmp_path / "copied.csv"
    copied.write_text(own.read_text())
    with pytest.raises(SettingsError, match="got exact copies of all 40 of this client's"):
        describe(tmp_path, f"own-csv:{own}", client=1, open_data=f"csv:{copied}", **told)
