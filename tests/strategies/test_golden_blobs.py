"""What travelled once is read as it was meant, or refused; see ``golden_blobs.py``."""

import re

import pytest
import safetensors.torch
import torch
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.wire import decode
from tests.strategies.golden_blobs import FOLDER, agreed_on, file_of, payloads

KINDS = payloads()
NAME = re.compile(r"(?P<schema>.+)\.v(?P<version>\d+)")
FILES = {path: NAME.fullmatch(path.stem) for path in sorted(FOLDER.glob("*.safetensors"))}
OLD = [
    (named["schema"], int(named["version"]))
    for named in FILES.values()
    if named and int(named["version"]) != KINDS[named["schema"]].version
]


@pytest.mark.parametrize("schema", KINDS)
def test_the_blob_of_todays_version_is_read_as_it_was_written(schema: str) -> None:
    kind = KINDS[schema]
    blob = file_of(schema, kind.version).read_bytes()
    read = decode(kind, blob, agreed_on(kind), sender="golden")
    written = safetensors.torch.load(blob)
    assert written
    for name in vars(read):
        value = getattr(read, name)
        assert (value is None) == (name not in written)
        assert value is None or torch.equal(value, written[name]), name


@pytest.mark.parametrize(("schema", "version"), OLD)
def test_a_blob_of_an_older_version_is_refused(schema: str, version: int) -> None:
    kind = KINDS[schema]
    assert version < kind.version
    expected = (
        rf"expected schema {re.escape(schema)} version {kind.version}, got .*'version': '{version}'"
    )
    with pytest.raises(WireError, match=expected):
        decode(kind, file_of(schema, version).read_bytes(), agreed_on(kind), sender="golden")


def test_fields_that_change_without_a_new_version_are_noticed() -> None:
    kind = KINDS["fd.teacher"]

    @payload(kind.schema, version=kind.version)
    class Renamed(Payload):
        """As ``fd.teacher``, with other fields."""

        means: Tensor = tensor("float", "class")

        @classmethod
        def sizes(cls, agreed: object) -> Sizes:
            return Sizes({"class": 3})

    blob = file_of(kind.schema, kind.version).read_bytes()
    with pytest.raises(WireError, match="unknown field labels, rows"):
        decode(Renamed, blob, agreed_on(kind), sender="golden")
