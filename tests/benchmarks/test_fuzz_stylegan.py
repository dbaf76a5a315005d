"""The fuzz run on a tiny file, what it calls a failure, and that its cases can be repeated."""

from pathlib import Path

import pytest
import torch

from benchmarks.pickle_mutants import Fixture, fixture, mutant
from tests.fresh_processes import FreshProcesses
from tests.generators.stylegan.published import Global, Published, publish

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mapping = Published("MappingNetwork", {"z_dim": 2}, {"weight": torch.ones(2, 3)})
    network = Published("Generator", {"kind": Global("torch", "float16")}, modules={"m": mapping})
    (tmp_path / "network.pkl").write_bytes(publish(network))
    return tmp_path


def test_a_file_that_is_no_generator_is_told(folder: Path, fresh_processes: FreshProcesses) -> None:
    done = fresh_processes.run("-m", "benchmarks.fuzz_stylegan", str(folder), "--count", "1")
    assert done.returncode == 2
    assert "expected files that load" in done.stdout


# What is done instead of reading a file, and what that has to be called.
ROADS = {
    "None": "loaded",
    "refuse('short')": "refused",
    "refuse('x' * 2000)": "failed: message",
    "refuse('two\\nlines')": "failed: message",
    "1 / 0": "failed: ZeroDivisionError",
    "open(os.devnull).close()": "failed: side effect",
    "__import__('this_is_no_module')": "failed: side effect",
    "os.system('true')": "failed: side effect",
    "eval('1')": "failed: side effect",
}


def test_anything_but_a_network_or_a_refusal_is_a_failure(
    fresh_processes: FreshProcesses,
) -> None:
    # An audit hook can never be taken away again.
    code = f"""
import os
from benchmarks import fuzz_stylegan
from strategies.common.errors import GeneratorError
def refuse(text):
    raise GeneratorError(text)
watch = fuzz_stylegan.Watch()
for road in {list(ROADS)!r}:
    fuzz_stylegan.draw = eval("lambda content, name: " + road)
    print(fuzz_stylegan.outcome(b"", "name", watch)[0])
"""
    done = fresh_processes.run("-c", code)
    assert done.stdout.splitlines() == list(ROADS.values()), done.stderr


def test_a_case_can_be_repeated_and_differs_from_the_others(folder: Path) -> None:
    fixtures = [fixture(folder / "network.pkl")]
    cases = [mutant(fixtures, 0, number) for number in range(60)]
    assert cases == [mutant(fixtures, 0, number) for number in range(60)]
    assert cases != [mutant(fixtures, 1, number) for number in range(60)]
    assert len({content for content, _ in cases}) > 50
    assert len({kind for _, kind in cases}) > 10


def test_opcodes_are_found(folder: Path) -> None:
    found: Fixture = fixture(folder / "network.pkl")
    assert found.starts[0] == 0
    assert found.content[found.starts[-2] :] == b"."
