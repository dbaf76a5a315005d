"""A device whose data are of the wrong kind says so before it loads anything."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.adapters.halves import AnyAdapterClientHalf
from strategies.common.errors import SettingsError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def node(tmp_path: Path) -> NodeConfig:
    return NodeConfig(partition_id=0, num_partitions=2, state_dir=str(tmp_path / "state"))


def test_adapters_need_questions_and_ask_no_backbone_without(
    run_settings: Build, tmp_path: Path
) -> None:
    run = run_settings(method="feddat", data="digits", device="cpu")
    # No half: whatever were asked of it before would be another error.
    device = LocalAdapterDevice(cast("AnyAdapterClientHalf", None), node(tmp_path), run, 1)
    for asked in ("backbone", "data"):
        with pytest.raises(SettingsError, match="questions about images for method feddat, got di"):
            getattr(device, asked)
    assert list(tmp_path.iterdir()) == []


def test_no_other_method_learns_from_questions(run_settings: Build, tmp_path: Path) -> None:
    run = run_settings(method="fd", data="digitgrid:domain", device="cpu")
    said = "expected samples without questions for method fd, got digitgrid:domain"
    with pytest.raises(SettingsError, match=said):
        _ = LocalDevice(node(tmp_path), run, 1).data
    assert list(tmp_path.iterdir()) == []
