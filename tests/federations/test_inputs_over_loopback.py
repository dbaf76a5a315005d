"""Whole federations of readings and of texts, from files to the journal."""

import json
from pathlib import Path

import numpy as np
import pytest
from loopback import Federation

from strategies.common.errors import FederationError

pytestmark = pytest.mark.federation

SMALL = {"rounds": 3, "feature-dim": 16, "batch-size": 4, "learning-rate": 0.1}
LENGTH, VOCABULARY, STEPS = 6, 12, 32
NET = """
from torch import nn

class Words(nn.Module):
    def __init__(self, inputs, num_classes):
        super().__init__()
        self.words = nn.Embedding(inputs.vocabulary, 8)
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU())

    def forward(self, tokens):
        return self.layers(self.words(tokens).mean(1))
"""


def texts(labels: np.ndarray, randomness: np.random.Generator) -> np.ndarray:
    """Draw rows whose class is the half of the vocabulary that their tokens come from."""
    half = VOCABULARY // 2
    drawn = randomness.integers(0, half, (len(labels), LENGTH))
    return drawn + half * labels[:, None]


def readings(labels: np.ndarray, randomness: np.random.Generator) -> np.ndarray:
    """Draw windows as PFLlib keeps them, of height 1, whose class is their sign."""
    noise = randomness.normal(0, 0.3, (len(labels), 3, 1, STEPS))
    return (noise + 2 * labels[:, None, None, None] - 1).astype(np.float32)


def written(folder: Path, draw, **config: int) -> Path:
    """Write two clients with 40 samples to learn from and 20 to test on."""
    randomness = np.random.default_rng(0)
    for client in range(2):
        for part, count in (("train", 40), ("test", 20)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            labels = np.arange(count) % 2
            data = np.empty((), dtype=object)
            data[()] = {"x": draw(labels, randomness), "y": labels}
            np.savez(folder / part / f"{client}.npz", data=data)
    (folder / "config.json").write_text(json.dumps({"num_classes": 2, **config}))
    return folder


def federation(folder: Path, data: Path, method: str, models: str) -> Federation:
    chosen = {"method": method, "models": models, "data": f"pfllib:{data}"}
    return Federation(folder, 2, {**SMALL, **chosen})


@pytest.mark.parametrize("method", ["local", "fd", "fedproto"])
def test_a_users_own_model_learns_to_tell_texts_apart(tmp_path: Path, method: str) -> None:
    (tmp_path / "mymodels.py").write_text(NET)
    data = written(tmp_path / "texts", texts, vocabulary=VOCABULARY)
    run = federation(tmp_path, data, method, f"{tmp_path}/mymodels.py:Words")
    lines = run.play()
    assert lines[-1]["accuracy"] > 0.85
    told = json.loads((run.run_folder / "clients.json").read_text())["task"]
    assert told["inputs"] == {"kind": "tokens", "sizes": [LENGTH, VOCABULARY]}


@pytest.mark.parametrize("method", ["fd", "fedproto", "fedktl"])
def test_windows_of_sensors_are_learnt(tmp_path: Path, method: str) -> None:
    run = federation(tmp_path, written(tmp_path / "har", readings), method, "sensor_cnn")
    lines = run.play()
    assert lines[-1]["accuracy"] > 0.85
    told = json.loads((run.run_folder / "clients.json").read_text())["task"]
    assert told["inputs"] == {"kind": "windows", "sizes": [3, STEPS]}


TEXTS = {
    "data": "sentences",
    "max-samples": 160,
    "text-length": 12,
    "vocabulary": 512,
    "partition": "iid",
    "optimiser": "adamw",
    "learning-rate": 0.01,
    "local-epochs": 3,
    "feature-dim": 64,
    "batch-size": 16,
}
UNLIKE_READERS = "fasttext,text_cnn,text_lstm,text_transformer"


OF_METHODS = {
    "dsfl": {"open-data": "sentences", "open-samples": 200, "dsfl.distill-batch-size": 20},
    # No picture resembles a text: directions of classes are shared, and nothing is drawn.
    "fedktl": {"fedktl.transfer-weight": 0.0, "fedktl.scale": 8.0},
}


@pytest.mark.parametrize(
    "method", ["fedgh", "fedktl", pytest.param("dsfl", marks=pytest.mark.thorough)]
)
def test_unlike_text_models_learn_together(tmp_path: Path, method: str) -> None:
    chosen = {**SMALL, **TEXTS, "method": method, "models": UNLIKE_READERS}
    run = Federation(tmp_path, 4, {**chosen, **OF_METHODS.get(method, {})})
    lines = run.play()
    assert lines[-1]["accuracy"] > max(0.5, lines[0]["accuracy"])
    told = json.loads((run.run_folder / "clients.json").read_text())
    assert told["task"]["inputs"] == {"kind": "tokens", "sizes": [12, 512]}
    assert {one["model"] for one in told["clients"].values()} == set(UNLIKE_READERS.split(","))


def test_rows_of_numbers_are_learnt(tmp_path: Path) -> None:
    randomness = np.random.default_rng(0)
    table = tmp_path / "table.csv"
    with table.open("w") as file:
        file.write("height;weight;age;kind\n")
        for number in range(240):
            kind = number % 3
            row = randomness.normal((10 * kind, -kind, 0), (3, 0.3, 100))
            file.write(";".join(f"{one:.3f}" for one in row) + f";{'abc'[kind]}\n")
    chosen = {**SMALL, "method": "fedproto", "models": "mlp,wide_mlp", "partition": "iid"}
    chosen |= {"batch-size": 16, "optimiser": "adamw", "learning-rate": 0.01}
    chosen |= {"fedproto.inference": "head", "feature-dim": 128, "local-epochs": 4}
    run = Federation(tmp_path, 3, {**chosen, "data": f"csv:{table}"})
    assert run.play()[-1]["accuracy"] > 0.85


def test_devices_with_tables_of_their_own_learn_together_and_one_turned_round_is_refused(
    tmp_path: Path,
) -> None:
    randomness = np.random.default_rng(0)

    def table(name: str, kinds: str, columns: tuple[str, ...]) -> str:
        place = tmp_path / f"{name}.csv"
        rows = [",".join((*columns, "kind"))]
        for number in range(90):
            kind = kinds[number % len(kinds)]
            drawn = randomness.normal((10 * "abc".index(kind), 0), 3)
            measured = dict(zip(("height", "age"), drawn, strict=True))
            rows.append(",".join(f"{measured[one]:.3f}" for one in columns) + f",{kind}")
        place.write_text("\n".join(rows))
        place.with_suffix(".classes.txt").write_text("a\nb\nc\n")
        return f"own-csv:{place}"

    chosen = {**SMALL, "method": "fedproto", "models": "mlp", "optimiser": "adamw"}
    chosen |= {"batch-size": 16, "local-epochs": 4, "learning-rate": 0.01, "min-nodes": 2}
    run = Federation(tmp_path, 3, {**chosen, "fedproto.inference": "head", "feature-dim": 64})
    told = [("first", "ab", ("height", "age")), ("second", "bc", ("height", "age"))]
    for node, (name, kinds, columns) in enumerate([*told, ("turned", "abc", ("age", "height"))]):
        run.grid.node_configs[100 + node]["data"] = table(name, kinds, columns)
    lines = run.play()
    assert lines[-1]["accuracy"] > 0.85
    told = {partition: str(node) for partition, node in lines[-1]["nodes"].items()}
    assert "failure" not in told["0"] + told["1"]
    assert "expected columns of numbers as most clients have them" in told["2"]


def test_what_are_no_images_cannot_be_generated(tmp_path: Path) -> None:
    played = federation(tmp_path, written(tmp_path / "data", readings), "fd", "sensor_cnn")
    played.config = {**played.config, "augmentation": "faug"}
    played.grid.config = played.config
    with pytest.raises(FederationError, match=r"client 0 .*expected images of bytes for faug"):
        played.play()
    assert not (played.run_folder / "rounds.jsonl").exists()
