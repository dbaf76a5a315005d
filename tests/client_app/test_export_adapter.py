import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from loopback import Federation
from safetensors.torch import load_file

from client_app import export_adapter
from client_app.store import ClientStore
from strategies.common.adapters import export
from strategies.common.adapters.attachment import Attachment
from strategies.common.adapters.sites import find_sites
from strategies.common.errors import StoreError
from tests.strategies.tiny_backbone import TinyBackbone

SETTINGS = {
    "method": "feddat",
    "data": "digitgrid:function",
    "max-samples": 40,
    "rounds": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
}


@pytest.fixture(autouse=True)
def backbone() -> Iterator[TinyBackbone]:
    tiny = TinyBackbone()
    with patch("client_app.device.loading.load", lambda *_: tiny):
        yield tiny


def words(folder: Path, out: Path, partition: int = 1) -> list[str]:
    changed = {**SETTINGS, "state-dir": str(folder / "state"), "device": "cpu"}
    texts = {k: json.dumps(value) for k, value in changed.items()}
    return [
        "--run=test",
        f"--out={out}",
        f"--node-config=partition-id={partition} num-partitions=2",
        *(f"--set={key}={text}" for key, text in texts.items()),
    ]


def test_a_client_leaves_with_one_adapter_that_is_its_teacher(
    tmp_path: Path, backbone: TinyBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    out = tmp_path / "out"
    assert export_adapter.main(words(tmp_path, out)) == 0
    assert "client 1 after round 1, one adapter of rank 4 at 2 blocks" in capsys.readouterr().out

    single = export.read(out / export_adapter.ADAPTER, backbone.sha256)
    stored = ClientStore(tmp_path / "state" / "test" / "1").load(1).tensors
    images = torch.randint(0, 255, (3, 3, 4, 4), dtype=torch.uint8)
    tokens = torch.ones(3, 6, dtype=torch.int64)
    with Attachment(find_sites(backbone.module)) as attachment:
        with attachment.using(single):
            found = backbone.features(images, tokens, tokens)

        def half(role: str, site: int, hidden: torch.Tensor) -> torch.Tensor:
            down, down_bias, up, up_bias = (
                stored[f"{role}/bottlenecks.{site}.{part}"]
                for part in ("down.weight", "down.bias", "up.weight", "up.bias")
            )
            return (hidden @ down.T + down_bias).relu() @ up.T + up_bias

        def both(site: int) -> object:
            return lambda hidden: (half("frozen", site, hidden) + half("local", site, hidden)) / 2

        with attachment.using([both(0), both(1)]):  # type: ignore[list-item]
            expected = backbone.features(images, tokens, tokens)
    assert torch.allclose(found, expected, atol=1e-6)
    assert len(json.loads((out / export_adapter.ANSWERS).read_text())) == 5
    assert torch.equal(
        load_file(out / export_adapter.HEAD)["head/0.weight"], stored["head/0.weight"]
    )


def test_it_serves_its_own_backbone_alone(tmp_path: Path) -> None:
    Federation(tmp_path, 2, SETTINGS).play()
    export_adapter.main(words(tmp_path, tmp_path / "out"))
    with pytest.raises(StoreError, match="expected adapters for the backbone"):
        export.read(tmp_path / "out" / export_adapter.ADAPTER, TinyBackbone(seed=1).sha256)


def test_a_device_without_the_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_adapter.main(words(tmp_path, tmp_path / "out")) == 1
    assert "expected the state of a client, found none; name the run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
