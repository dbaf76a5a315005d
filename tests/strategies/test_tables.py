"""Tables: what no run reads is refused, and what cannot be read is refused whoever reads it."""

from typing import Any

import pytest

from strategies import tables
from strategies.common.errors import SettingsError

Value = bool | int | float | str


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"fedproto.proto-weight": "abc"},
            "setting fedproto.proto-weight: expected a setting that local or fd reads, got 'abc'; "
            "leave it out, or choose the method fedproto",
        ),
        ({"split.cut": 2}, "choose the method splitfed or mocosfl"),
        ({"adapters.rank": 2}, "choose the method feddat or fedadapter or fedlora"),
        ({"oriented.seed": 2}, "choose the method fedktl and the generator oriented"),
    ],
)
def test_what_no_run_of_a_command_reads_is_refused_with_who_would(
    config: dict[str, Value], given: dict[str, Value], told: str
) -> None:
    runs = [{**config, **given, "method": name} for name in ("local", "fd")]
    with pytest.raises(SettingsError) as caught:
        tables.check_read(given, runs)
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("fd", {"fd.distance": "kl"}),
        ("fd", {"rounds": 3, "weights": ""}),
        ("mocosfl", {"split.cut": 2, "mocosfl.pool": 3}),
        ("feddat", {"adapters.rank": 2}),
        ("fedktl", {"oriented.seed": 2}),
        ("fedktl", {"generator": "stylegan:a.pkl", "stylegan.batch-size": 2}),
        # Where nothing is simulated, the method says so itself.
        ("splitfed", {"simulated.dropout": 0.1}),
    ],
)
def test_what_one_run_reads_is_taken(
    config: dict[str, Value], method: str, given: dict[str, Value]
) -> None:
    tables.check_read(given, [{**config, "method": "local"}, {**config, **given, "method": method}])


def test_a_table_of_a_generator_that_does_not_draw_is_read_by_nobody(
    config: dict[str, Value],
) -> None:
    given = {"stylegan.batch-size": 2}
    with pytest.raises(SettingsError, match=r"stylegan.batch-size: .*and the generator stylegan$"):
        tables.check_read(given, [{**config, **given, "method": "fedktl"}])


def test_what_a_run_sets_itself_is_not_the_users(config: dict[str, Value]) -> None:
    alone: dict[str, Value] = {**config, "method": "fedadapter", "fedadapter.shared-rounds": 0}
    tables.check_read({"fedadapter.shared-rounds": 0}, [alone])
    with pytest.raises(SettingsError, match=r"shared-rounds: expected .* got 2"):
        tables.check_read({"fedadapter.shared-rounds": 2}, [alone])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fedproto.proto-weight", -5.0),
        ("fedktl.margin", float("inf")),
        ("fd.magic", 1),
        ("split.cut", "one"),
        ("adapters.rank", -1),
        ("simulated.dropout", 2.0),
    ],
)
def test_what_cannot_be_read_is_refused_though_the_method_does_not_read_it(
    config: dict[str, Value], key: str, value: Any
) -> None:
    tables.check({**config, "method": "local"})
    with pytest.raises(SettingsError, match=f"setting {key}: "):
        tables.check({**config, "method": "local", key: value})


def test_what_comes_before_the_first_round_is_read_where_it_comes(config: dict[str, Value]) -> None:
    given: dict[str, Value] = {"faug.steps": 9}
    plain: dict[str, Value] = {**config, **given, "method": "fd"}
    tables.check_read(given, [{**plain, "augmentation": "faug"}])
    with pytest.raises(SettingsError, match=r"faug\.steps: .* and augmentation=faug$"):
        tables.check_read(given, [plain])
    with pytest.raises(SettingsError, match=r"setting faug\.steps: "):
        tables.check({**config, "method": "local", "faug.steps": 0})
