from pathlib import Path

import pytest

from client_app.data import known_classes
from client_app.data.sources import parse


def test_folders_and_their_list_name_classes(tmp_path: Path) -> None:
    for name in ("flu", "cold", ".hidden", "e\u0301cole"):
        (tmp_path / name).mkdir()
    (tmp_path / "note.txt").write_text("x")
    assert known_classes.names_of(parse(f"folder:{tmp_path}")) == ("cold", "flu", "\u00e9cole")
    # So are those that lie too deep, where the folder above them was named by mistake.
    above = known_classes.names_of(parse(f"folder:{tmp_path.parent}"))
    assert {"cold", "flu", "\u00e9cole", tmp_path.name} <= {*above}
    # What is refused, since the list lacks some of them, is named all the same.
    (tmp_path / "classes.txt").write_text("flu\n\nnone\n", encoding="utf-8-sig")
    found = known_classes.names_of(parse(f"images:{tmp_path}"))
    assert found == ("flu", "none", "cold", "\u00e9cole")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"class_names": ["b", "a", 7]}', ("b", "a", "7")),
        ('{"class_names": "ab"}', ()),
        ("[]", ()),
        ("{", ()),
    ],
)
def test_a_configuration_names_classes(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    (tmp_path / "config.json").write_text(text)
    assert known_classes.names_of(parse(f"pfllib:{tmp_path}")) == names


def test_a_list_beside_a_table_names_classes_and_what_is_not_there_none(tmp_path: Path) -> None:
    (tmp_path / "a.classes.txt").write_text("ham\nspam\n")
    assert known_classes.names_of(parse(f"own-csv:{tmp_path / 'a.csv'}")) == ("ham", "spam")
    for spec in ("own-csv:/nowhere/b.csv", "folder:/nowhere", "pfllib:/nowhere", "digits"):
        assert known_classes.names_of(parse(spec)) == ()
