"""The site's pages: all that is written has one, and a place in the navigation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs_site import pages

ROOT = Path(__file__).parents[2]


def uris(part: Any) -> Iterator[str]:
    """Yield the places that a part of the navigation names."""
    if isinstance(part, str):
        yield part
    else:
        for inner in part.values() if isinstance(part, dict) else part:
            yield from uris(inner)


def written() -> set[str]:
    docs = ROOT / "docs"
    return {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}


def test_every_page_has_one_place_in_the_navigation() -> None:
    named = list(uris(pages.navigation(ROOT)))
    assert len(named) == len(set(named))
    assert set(named) == set(pages.generated(ROOT)) | written()


def test_no_page_is_both_written_and_made() -> None:
    assert written() & set(pages.generated(ROOT)) == set()


def test_the_contract_comes_first_and_nothing_of_it_is_missing() -> None:
    (contract,) = (part["Contract"] for part in pages.navigation(ROOT) if "Contract" in part)
    first = [name for entry in contract for name in entry][: len(pages.CONTRACT)]
    assert tuple(first) == pages.CONTRACT
    modules = {p.stem for p in (ROOT / "strategies" / "common").glob("*.py")}
    assert set(pages.CONTRACT) <= modules


def test_a_new_guide_and_a_new_decision_are_shown(tmp_path: Path) -> None:
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    (tmp_path / "docs" / "aaa.md").write_text("# A guide\n")
    (tmp_path / "docs" / "decisions" / "0001-why.md").write_text("# 1. Why so\n\nBecause.\n")
    for name in ("README", "CONTRIBUTING", "CHANGELOG"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n")
    named = set(uris(pages.navigation(tmp_path)))
    assert {"aaa.md", "decisions/0001-why.md"} <= named
    listed = pages.generated(tmp_path)["decisions/index.md"]
    assert listed == "# Decisions\n\n* [1. Why so](0001-why.md)"
    assert pages.sources(tmp_path)["docs/decisions/0001-why.md"] == "decisions/0001-why.md"
