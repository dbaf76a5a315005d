"""Each method's page: what it is, its settings and what travels."""

from pathlib import Path

import pytest

from docs_site import method_pages, pages
from docs_site.links import anchors
from strategies import methods
from strategies.common.run_config import default_config
from strategies.fedktl.wire import ImageVectorPairs

ROOT = Path(__file__).parents[2]
MADE = pages.generated(ROOT)


def test_every_method_has_a_page_and_a_place_in_the_overview() -> None:
    made = {uri.removesuffix(".md") for uri in MADE if uri.startswith("methods/")}
    every = (*methods.METHODS, methods.AUGMENTATION)
    assert made == {"methods/index", *(f"methods/{name}" for name in every)}
    for name in methods.METHODS:
        assert f"]({name}.md) | `{name}` | " in MADE["methods/index.md"]


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_page_shows_docstring_settings_and_payloads(name: str) -> None:
    page = MADE[f"methods/{name}.md"]
    assert page.startswith(f"# {methods.display_name(name)}\n")
    assert f"::: strategies.{name}\n" in page
    own = [key for key in default_config() if key.startswith(f"{name}.")]
    assert [key for key in own if f"`{key}`" not in page] == []
    assert ("Nothing." in page) is (name == "local")
    described = f"::: strategies.{name}.wire\n" in page or "Described in" in page
    assert described is (name != "local")


def test_the_page_of_what_comes_before() -> None:
    page = MADE["methods/faug.md"]
    assert page.startswith("# FAug\n")
    assert "`faug.target-below`" in page
    assert "::: strategies.faug.wire\n" in page


def test_a_payload_is_told_by_its_rules() -> None:
    rows = method_pages.payload_table({ImageVectorPairs: ["down"]}).splitlines()[2:]
    assert rows == [
        "| `fedktl.pairs`, version 1 | down | `images` | uint8 (pairs, channels, height, width) |",
        "| `fedktl.pairs`, version 1 | down | `vectors` | float (pairs, latent) |",
        "| `fedktl.pairs`, version 1 | down | `labels` | int64 (pairs), classes |",
    ]


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_page_names_the_tables_that_a_method_reads(name: str) -> None:
    page = MADE[f"methods/{name}.md"]
    told = {"split": methods.exchanges(name), "adapters": methods.adapts(name)}
    for table, expected in told.items():
        assert (f"(../settings.md#{table})" in page) is expected
        assert table in anchors(MADE[pages.SETTINGS])
