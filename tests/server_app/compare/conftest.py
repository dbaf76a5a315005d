"""Runs of some methods and seeds, and pages whose charts are blank as the report's are."""

import pytest

from tests.server_app.compare.seeded_runs import Runs
from tests.server_app.report.conftest import _blank_charts, drawn_charts

__all__ = ["_blank_charts", "drawn_charts", "runs"]


@pytest.fixture
def runs(tmp_path):
    """Write runs into the test's own folder."""
    return Runs(tmp_path / "runs")
