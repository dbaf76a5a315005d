"""What FedKTL's settings come to where they are left at auto."""

from collections.abc import Callable, Mapping

import pytest

from strategies.common.errors import SettingsError
from strategies.common.run_config import read_table
from strategies.fedktl.automatic import automatic, transfer_weight
from strategies.fedktl.settings import FedKTLSettings
from tests.strategies.fedktl.fake_generator import FakeGenerator

MakeSettings = Callable[..., FedKTLSettings]
Value = bool | int | float | str


# The rows are mu, lambda, eta_S of the authors' scripts; bandwidths and projection are ours.
@pytest.mark.parametrize(
    ("spec", "family", "noise", "expected"),
    [
        ("oriented", "", False, (50.0, 1.0, 0.01, "median", "off")),
        ("stylegan:imagenet64.pkl", "stylegan-xl", False, (50.0, 1.0, 0.01, "stylegan", "off")),
        ("stylegan:afhq.pkl", "stylegan3", False, (50.0, 0.1, 0.01, "stylegan", "off")),
        ("stylegan:a:b.pkl", "", False, (50.0, 0.1, 0.01, "stylegan", "off")),
        ("diffusers:folder", "", True, (100.0, 0.01, 0.1, "median", "on")),
        ("stylegan:z.pkl", "stylegan2", True, (50.0, 0.1, 0.01, "stylegan", "on")),
    ],
)
def test_auto_is_what_the_authors_use(
    spec: str,
    family: str,
    noise: bool,
    expected: tuple[float | str, ...],
    fedktl_settings: MakeSettings,
) -> None:
    chosen = automatic(
        fedktl_settings(), spec, FakeGenerator(latent_dim=6, family=family, gaussian_latents=noise)
    )

    assert tuple(chosen.settings().values()) == (*expected, 6)
    assert transfer_weight(fedktl_settings(), spec) == expected[0]


@pytest.mark.parametrize("spec", ["oriented", "stylegan:file.pkl", "diffusers:folder"])
@pytest.mark.parametrize("project", ["on", "off"])
def test_what_the_user_sets_wins(
    spec: str, project: str, fedktl_settings: MakeSettings, config: Mapping[str, Value]
) -> None:
    settings = fedktl_settings(
        transfer_weight=7,
        alignment_weight=0.0,
        server_learning_rate=0.3,
        mmd_bandwidths="median",
        project_centroids=project,
    )

    generator = FakeGenerator(family="stylegan-xl", gaussian_latents=project == "off")
    chosen = automatic(settings, spec, generator)

    assert tuple(chosen.settings().values()) == (7.0, 0.0, 0.3, "median", project, 8)
    assert transfer_weight(settings, spec) == 7.0
    # What auto came to can be given back as settings, and then says the same.
    again = read_table({**config, **chosen.settings()}, "fedktl", FedKTLSettings)
    assert automatic(again, "oriented", FakeGenerator()) == chosen


@pytest.mark.parametrize("key", ["transfer_weight", "alignment_weight", "server_learning_rate"])
@pytest.mark.parametrize("value", [-1.0, "automatic", True, float("nan"), float("inf")])
def test_neither_auto_nor_a_number_is_refused_once(
    key: str, value: Value, fedktl_settings: MakeSettings
) -> None:
    with pytest.raises(SettingsError) as told:
        fedktl_settings(**{key: value})

    name = key.replace("_", "-")
    assert str(told.value).startswith(f"setting fedktl.{name}: Input should be 'auto' or a number")
    assert str(told.value).count("setting") == 1


def test_a_step_of_no_size_is_refused(fedktl_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="a number greater than 0, got 0"):
        fedktl_settings(server_learning_rate=0.0)


@pytest.mark.parametrize("count", [0, 33])
def test_the_number_of_images_has_bounds(count: int, fedktl_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="images-per-class"):
        fedktl_settings(images_per_class=count)
