"""Generated code is what the compiler makes of ``split.proto`` today."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
PROTO = "strategies/common/split/wire/split.proto"


@pytest.mark.parametrize("ending", ["_pb2.py", "_pb2.pyi"])
def test_the_tree_holds_what_the_compiler_makes(tmp_path: Path, ending: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", PROTO]
    places = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([*command, *places], cwd=ROOT, check=True)
    name = PROTO.removesuffix(".proto") + ending
    assert (tmp_path / name).read_text() == (ROOT / name).read_text()
