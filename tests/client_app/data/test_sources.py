from importlib import import_module
from pathlib import Path

import pytest

from client_app.data import sources
from client_app.data.sources import Source
from strategies.common.errors import SettingsError


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("digits", Source("digits", "")),
        ("parquet:/data/cifar10", Source("parquet", "/data/cifar10")),
        ("pfllib:mnist", Source("pfllib", "mnist")),
        # Only the first colon separates: a folder may have one in its name.
        ("folder:C:/photos", Source("folder", "C:/photos")),
        ("images:photos", Source("images", "photos")),
        ("hub:ylecun/mnist", Source("hub", "ylecun/mnist")),
    ],
)
def test_a_known_source_is_read(spec: str, expected: Source) -> None:
    assert sources.parse(spec) == expected
    sources.check(spec)


@pytest.mark.parametrize("spec", ["", "cifar10", "Digits", ":/data", "digit"])
def test_an_unknown_source_is_refused_with_the_known_ones(spec: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sources.check(spec)
    for known in ("digits", "parquet:<dir>", "pfllib:<dir>", "folder:<dir>", "hub:<name>"):
        assert known in str(caught.value)


@pytest.mark.parametrize("spec", ["parquet", "parquet:", "pfllib:", "folder", "hub:"])
def test_a_source_without_its_place_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match=f"expected {spec.rstrip(':')}:<"):
        sources.check(spec)


def test_digits_take_nothing() -> None:
    with pytest.raises(SettingsError, match="expected digits, got 'digits:8'"):
        sources.check("digits:8")


def test_home_is_expanded() -> None:
    assert "~" not in str(sources.parse("folder:~/photos").folder)


def test_every_kind_has_a_module_that_reads_and_folders_one_that_lists() -> None:
    for name, kind in sources.SOURCES.items():
        source = Source(name, "place" if kind.usage else "")
        assert callable(source.reader.read), name
        assert bool(kind.files) is (kind.usage in ("<dir>", "<file>")), name
        assert kind.is_file is (kind.usage == "<file>"), name
        if kind.files:
            assert callable(import_module(f"client_app.data.{kind.files}").files), name
        else:
            assert source.files(0) == []


def test_what_a_module_is_given_to_find_a_collection() -> None:
    assert sources.parse("digits").arguments == ()
    assert sources.parse("hub:ylecun/mnist").arguments == ("ylecun/mnist",)
    assert sources.parse("folder:photos").arguments == (Path("photos"),)


def test_a_devices_own_files_are_refused_where_all_clients_are_on_one_machine() -> None:
    with pytest.raises(SettingsError, match=r"hold the same samples; images:C:/my photos deals"):
        sources.check_dealt("folder:C:/my photos")
    for spec in ("digits", "images:photos", "pfllib:mnist"):
        sources.check_dealt(spec)
