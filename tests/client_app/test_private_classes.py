"""What a device says of its classes where it keeps their names, in notes and in errors."""

import pytest

from client_app.private_classes import by_number, classes_by_number
from strategies.common.errors import DataError, NectarError


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("1 damaged (hiv+/3.png)", ["hiv+", "hiv-"], "1 damaged (class 0/3.png)"),
        ("cats and cat, no cathedral", ["cat", "cats"], "class 1 and class 0, no cathedral"),
        # One pass: what stands for a name is not looked at again.
        ("flu of a class", ["flu", "class"], "class 0 of a class 1"),
        ("e\u0301cole/1.png", ["\u00e9cole"], "class 0/1.png"),
        ("caf\udce9/1.png", ["caf\udce9"], "class 0/1.png"),
        ("caf\\xe9/1.png", ["caf\udce9"], "class 0/1.png"),
        # A number is a name where it is one of a folder, or in quotes.
        ("17 of 17 files (17/17.png)", ["3", "17"], "17 of 17 files (class 1/17.png)"),
        ("folders '17', '3' of 3", ["3", "17"], "folders 'class 1', 'class 0' of 3"),
        # What stands for a label is its number.
        ("1 damaged (1/3.png)", ["0", "1"], "1 damaged (1/3.png)"),
        # A file may be called after its class, with a number or in capitals.
        ("1 damaged (flu/flu_003.png)", ["flu"], "1 damaged (class 0/class 0_003.png)"),
        ("flu12.png, Flu-2.png, FLU.png", ["flu"], "class 012.png, class 0-2.png, class 0.png"),
        (
            "Cat.png, cat.png, influenza",
            ["cat", "Cat", "flu"],
            "class 1.png, class 0.png, influenza",
        ),
        ("nothing to hide", [], "nothing to hide"),
        ("nothing to hide", [""], "nothing to hide"),
    ],
)
def test_private_names_become_numbers(text: str, names: list[str], told: str) -> None:
    assert by_number(text, names) == told


def _raised(error: Exception, *names: str) -> None:
    with classes_by_number() as private:
        private.keep(lambda: names)
        raise error


def test_an_error_keeps_its_kind() -> None:
    with pytest.raises(DataError, match=r"^class 0/1\.png: damaged$"):
        _raised(DataError("flu/1.png: damaged"), "flu")
    with pytest.raises(NectarError, match=r"^ValueError: class 0$"):
        _raised(ValueError("flu"), "flu")


def test_an_error_that_names_no_class_stays_what_it_is() -> None:
    for error, names in ((KeyError("e\u0301cole"), ["flu"]), (DataError("flu/1.png"), [])):
        with pytest.raises(type(error)) as caught:
            _raised(error, *names)
        assert caught.value is error
