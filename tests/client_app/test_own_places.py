"""A device's folders stay on the device: what the server is told names files."""

import pytest

from client_app.own_places import by_name, told_by_name
from strategies.common.errors import DataError, NectarError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "/home/anna/state/run/0/round-000001.safetensors: damaged",
            "round-000001.safetensors: damaged",
        ),
        (
            "[Errno 2] No such file or directory: '/mnt/disk/1.npz'",
            "[Errno 2] No such file or directory: '1.npz'",
        ),
        ("~/data/cats: expected images", "cats: expected images"),
        ("C:\\Users\\anna\\cats.png: broken", "cats.png: broken"),
        # These name no place.
        ("expected train/test samples and/or more, 3/4 of them", ""),
        ("see https://example.org/a/b and images/cats/1.png", ""),
        ("fedktl.wire.Prototypes: expected (present, 512)", ""),
    ],
)
def test_paths_become_names_and_nothing_else_changes(text: str, told: str) -> None:
    assert by_name(text) == (told or text)


def test_known_folders_may_have_spaces_in_their_names() -> None:
    place = "/srv/My Data/cats and dogs"
    assert by_name(f"{place}/cats/1 a.png: broken", [place]) == "cats and dogs/cats/1 a.png: broken"


def test_an_error_keeps_its_kind_and_the_log_has_the_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(DataError, match=r"^x: empty$"), told_by_name([]):
        raise DataError("/srv/data/x: empty")
    assert "/srv/data/x: empty" in caplog.text
    with pytest.raises(NectarError, match=r"^FileNotFoundError: .* 'x'$"), told_by_name([]):
        raise FileNotFoundError(2, "No such file or directory", "/srv/data/x")
    with pytest.raises(KeyError, match="x"), told_by_name([]):
        raise KeyError("x")
