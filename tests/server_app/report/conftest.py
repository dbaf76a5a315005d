"""Pages whose charts are blank, since drawing them takes most of the time."""

import pytest

BLANK = '<svg><g id="figure_1"/></svg>'


@pytest.fixture
def drawn_charts() -> None:
    """Let a test have the charts as they are."""


@pytest.fixture(autouse=True)
def _blank_charts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "drawn_charts" not in request.fixturenames:
        monkeypatch.setattr("server_app.report.charts._save", lambda _figure: BLANK)
