"""What a local federation refuses before it starts anything."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from local_federation.campaign import Campaign
from local_federation.host import LocalFederationError


def test_more_nodes_than_run_at_once_are_refused_with_the_numbers(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    nodes = cores + 5
    campaign = Campaign(tmp_path, nodes, "ray", {"method": "mocosfl"})
    with pytest.raises(LocalFederationError) as refusal:
        campaign.play({"pool": {}}, Console(quiet=True))
    told = str(refusal.value)
    assert f"all {nodes} nodes at work at once" in told
    assert f"{cores} workers runs {cores + 4}" in told
    assert "--engine ray" in told
    each = -(-nodes // cores)
    assert f"--clients {cores}" in told
    assert f"clients-per-node={each}" in told
    assert list(tmp_path.iterdir()) == []
