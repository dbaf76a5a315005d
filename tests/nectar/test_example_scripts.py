"""The scripts of ``examples/``, played tiny, and the notebook that is made of one."""

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from federations.split_federation import TINY
from federations.tiny_federations import STAND_INS

import nectar
from examples.make_notebook import notebook
from nectar import Run, flower, play
from nectar.settings import gather
from strategies import methods
from tests.answering import standing_in
from tests.nectar.small_plays import SMALL, prepared_in

# On the worker that has imported what adapters and their pictures need.
pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("plays of feddat")]

FOLDER = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "from nectar import" in path.read_text())
ADAPTING: dict[str, Any] = {
    "max-samples": 20,
    "data": "digitgrid:function",
    # Stood in for, but looked for before.
    "adapters.backbone": f"folder:{FOLDER}",
    "adapters.rank": 2,
}


def tiny(method: str) -> dict[str, Any]:
    """Return fewer rounds, samples and weights than an example asks for."""
    small: dict[str, Any] = {"max-samples": SMALL["max-samples"], "feature-dim": 16}
    if methods.exchanges(method):
        small = {key: value for key, value in TINY.items() if "." in key} | {"max-samples": 40}
    elif methods.adapts(method):
        small = ADAPTING
    return {**small, "rounds": 1, "clients-per-node": 1}


@pytest.fixture(scope="module")
def tiny_play(
    tmp_path_factory: pytest.TempPathFactory, prepared_once: None
) -> Iterator[Callable[..., Run]]:
    """Return what takes the place of ``play``; what was played once is not played again."""
    known: dict[str, Run] = {}

    def play_tiny(*, clients: int, name: str = "", resume: bool, **asked: Any) -> Run:
        settings = gather(asked, tiny(asked["method"]))
        words = repr((name, resume, sorted(settings.items())))
        if words not in known:
            folder = prepared_in(tmp_path_factory.mktemp("example"))
            known[words] = play(
                settings,
                clients=min(clients, 2),
                name=name,
                resume=resume,
                workers=1,
                folder=folder,
                quiet=True,
            )
        return known[words]

    with standing_in(STAND_INS):
        yield play_tiny


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_plays_and_tells(
    script: Path,
    tiny_play: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(nectar, "play", tiny_play)
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert len(said) >= 2
    assert len(script.read_text().splitlines()) <= 40


def test_an_app_of_ones_own_plays_and_tells(
    tmp_path: Path, prepared_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, strategy = FOLDER / "own_server_app.py", flower.FedProto
    (prepared_in(tmp_path) / ".nectar" / "state").rename(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        flower, "FedProto", lambda **asked: strategy({**asked, "feature_dim": 16}, max_samples=40)
    )
    said: list[str] = []
    runpy.run_path(str(script), {"print": said.append}, run_name="__main__")
    assert [line.split(":")[0] for line in said] == [f"round {n}" for n in (1, 2, 3, 4, 5)]
    assert len(script.read_text().splitlines()) <= 40


def test_there_is_one_for_each_family() -> None:
    text = " ".join(path.read_text() for path in SCRIPTS)
    used = [name for name in methods.METHODS if f'"{name}"' in text]
    assert any(methods.exchanges(name) for name in used)
    assert any(methods.adapts(name) for name in used)
    assert any(not methods.exchanges(name) and not methods.adapts(name) for name in used)


def test_the_notebook_is_what_the_script_makes() -> None:
    source = (FOLDER / "prototypes.py").read_text()
    assert (FOLDER / "prototypes.ipynb").read_text() == notebook(source)


def test_the_notebooks_cells_run_one_after_another(
    tiny_play: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(nectar, "play", tiny_play)
    made = json.loads((FOLDER / "prototypes.ipynb").read_text())
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    assert "seed  Local  FedProto" in capsys.readouterr().out


def test_a_script_becomes_cells() -> None:
    made = json.loads(notebook('"""Title."""\n\n# %% First\na = 1\n\n# %% Second\nb = a\n'))
    told = [(cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]]
    assert told == [
        ("markdown", "Title."),
        ("markdown", "## First"),
        ("code", "a = 1"),
        ("markdown", "## Second"),
        ("code", "b = a"),
    ]
    assert len({cell["id"] for cell in made["cells"]}) == 5
    with pytest.raises(ValueError, match="expected a docstring and a line"):
        notebook('"""Title."""\n')
