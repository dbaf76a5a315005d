"""Links: those of README and docs lead somewhere, and the site rewrites them."""

import re
from pathlib import Path

import pytest

from docs_site import pages
from docs_site.links import Link, anchors, broken, links, rewritten, slug

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_place_in_it(document: str) -> None:
    assert broken(ROOT, document) == []


def test_links_are_found() -> None:
    found = list(links((ROOT / "README.md").read_text(), "README.md"))
    assert Link("docs/split.md", "what-is-measured") in found
    assert Link("README.md", "weights") in found
    assert Link("docs/pictures/comparison.png", "") in found


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("[x](b.md)", []),
        ("[x](b.md#a-title)", []),
        ("[x](b.md#here)", []),
        ("[x](#mine)", []),
        ("[x](../docs)", []),
        ("[x](https://example.org/none.md)", []),
        ("`[x](none.md)`", []),
        ("```\n[x](none.md)\n```", []),
        ("[x](none.md)", ["docs/a.md: there is no docs/none.md"]),
        ("![x](none.png)", ["docs/a.md: there is no docs/none.png"]),
        ("[`x` and `y`](none.md)", ["docs/a.md: there is no docs/none.md"]),
        ("[x](b.md#none)", ["docs/a.md: docs/b.md has no #none"]),
        ("[x](b.md#in-code)", ["docs/a.md: docs/b.md has no #in-code"]),
        ("[x](#none)", ["docs/a.md: docs/a.md has no #none"]),
        ("[x](../docs#none)", ["docs/a.md: docs has no #none"]),
    ],
)
def test_what_leads_nowhere_is_noticed(tmp_path: Path, link: str, told: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(f"# Mine\n\nSee {link}.\n\n{link}\n")
    other = '# A title\n\n<a id="here"></a>\n\n```\n# In code\n```\n'
    (tmp_path / "docs" / "b.md").write_text(other)
    assert broken(tmp_path, "docs/a.md") == told * 2


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Few samples: does it pay?", "few-samples-does-it-pay"),
        ("1. Keys", "1-keys"),
        ("An expert's `file` & more", "an-experts-file--more"),
        ("[DS-FL](x.md) on *MNIST*", "ds-fl-on-mnist"),
    ],
)
def test_anchors_are_those_of_a_forge(title: str, anchor: str) -> None:
    assert anchor in anchors(f"## {title}\n")


def test_a_slug_has_the_separator_that_is_asked_for() -> None:
    assert slug(" Two words ", "_") == "two_words"


URIS = {
    "README.md": "index.md",
    "docs/split.md": "split.md",
    "docs/decisions/0001-a.md": "decisions/0001-a.md",
    "docs/decisions": "decisions/index.md",
    "docs/pictures/x.png": "pictures/x.png",
    "strategies/fd/__init__.py": "methods/fd.md",
}


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        ("README.md", "[s](docs/split.md#a)", "[s](split.md#a)"),
        ("README.md", "[why](docs/decisions)", "[why](decisions/index.md)"),
        ("README.md", "![p](docs/pictures/x.png)", "![p](pictures/x.png)"),
        ("README.md", "[w](#weights)", "[w](#weights)"),
        ("README.md", "[Apache-2.0](LICENSE)", "Apache-2.0 (`LICENSE`)"),
        ("README.md", "[`LICENSE`](LICENSE)", "`LICENSE`"),
        ("docs/split.md", "[d](decisions/0001-a.md)", "[d](decisions/0001-a.md)"),
        ("docs/split.md", "[d](../README.md#x)", "[d](index.md#x)"),
        ("docs/split.md", "[c](../models/zoo.py)", "c (`models/zoo.py`)"),
        ("docs/decisions/0001-a.md", "[s](../split.md)", "[s](../split.md)"),
        (
            "docs/decisions/0001-a.md",
            "[f](../../strategies/fd/__init__.py)",
            "[f](../methods/fd.md)",
        ),
        ("README.md", "[F](https://flower.ai)", "[F](https://flower.ai)"),
        ("README.md", "`[x](LICENSE)`", "`[x](LICENSE)`"),
    ],
)
def test_links_lead_to_what_the_site_shows(source: str, text: str, told: str) -> None:
    assert rewritten(f"See {text}.", source, URIS) == f"See {told}."


def test_the_site_shows_whatever_documents_link_to_but_code() -> None:
    shown = pages.sources(ROOT)
    linked = {
        link.file
        for document in DOCUMENTS
        for link in links((ROOT / document).read_text(), document)
    }
    assert {file for file in linked - shown.keys() if re.search(r"\.(md|png)$", file)} == set()
