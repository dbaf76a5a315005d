"""Orders, descriptions and reports are read strictly, whoever sent them."""

import pytest

from strategies.common.errors import WireError
from strategies.common.transport.control import (
    MAX_FIGURES,
    MAX_GIVEN,
    MAX_LOSSES,
    MAX_RESOLVED,
    MAX_TOLD_CLASSES,
    Control,
    Description,
    Order,
    Report,
    Value,
    read_control,
)


def report(**changes: object) -> dict[str, object]:
    return {
        "round_number": 3,
        "continued_from": 2,
        "correct": 7,
        "test_samples": 10,
        "loss": 0.5,
        "train_samples": 30,
        "load_s": 0.1,
        "train_s": 1.0,
        "evaluate_s": 0.0,
        "save_s": 0.2,
        "notes": ["a note"],
        "loss.total": 0.75,
        **changes,
    }


def description(**changes: object) -> dict[str, object]:
    return {
        "partition": 1,
        "num_partitions": 3,
        "model": "cnn",
        "num_classes": 2,
        "inputs": "images",
        "sizes": [1, 8, 8],
        "feature_dim": 16,
        "foundation": "",
        "rank": 0,
        "places": [],
        "class_names": ["zero", "one"],
        "train_samples": 30,
        "test_samples": 10,
        "train_counts": [20, 10],
        "test_counts": [5, 5],
        "clients": 1,
        "notes": [],
        **changes,
    }


def order(**changes: object) -> dict[str, object]:
    return {"run": "run-1", "round_number": 1, "continue_from": 0, **changes}


def refused(kind: type[Control], values: dict[str, object]) -> str:
    with pytest.raises(WireError) as caught:
        read_control(kind, values, "client 4")
    message = str(caught.value)
    assert message.startswith(f"client 4: {kind.__name__.lower()}.")
    return message


def test_a_report_comes_back_as_it_was_sent() -> None:
    sent = read_control(Report, report(**{"loss.prototype": 2.0}), "client 4")
    assert sent.losses == {"total": 0.75, "prototype": 2.0}
    values: dict[str, Value] = sent.to_values()
    assert values == report(**{"loss.prototype": 2.0})
    assert read_control(Report, values, "client 4") == sent


def test_what_a_report_does_not_know_does_not_travel() -> None:
    assert read_control(Report, report(), "client 4").macro_f1 is None
    told = read_control(Report, report(macro_f1=0.5), "client 4")
    assert told.macro_f1 == 0.5
    assert told.to_values() == report(macro_f1=0.5)
    classes = {"class_samples": [4, 6], "class_hits": [3, 4], "class_predictions": [5, 5]}
    validation = {"validation_correct": 2, "validation_samples": 3, "validation_loss": 0.5}
    values = report(**classes, **validation)
    assert read_control(Report, values, "client 4").to_values() == values
    # A byte for what is not known would count as a method's traffic.
    nothing = {"class_samples": [], "validation_samples": 0, "validation_loss": 0.0}
    assert read_control(Report, report(**nothing), "client 4").to_values() == report()


def test_an_order_brings_settings_by_name() -> None:
    values = order(**{"setting.fedktl.latent-dim": 64, "setting.fedktl.project-centroids": "on"})
    told = read_control(Order, values, "server")
    assert told.resolved == {"fedktl.latent-dim": 64, "fedktl.project-centroids": "on"}
    assert told.to_values() == values
    many = {f"setting.fedktl.{number}": 1 for number in range(MAX_RESOLVED)}
    assert len(read_control(Order, order(**many), "server").resolved) == MAX_RESOLVED
    assert "order.resolved" in refused(Order, order(**many, **{"setting.fedktl.more": 1}))
    assert "order.resolved" in refused(Order, order(**{"setting.fedktl.x": [1]}))


def test_an_order_brings_what_the_server_was_given() -> None:
    values = order(**{"given.learning-rate": 0.5, "given.fedproto.inference": "head"})
    told = read_control(Order, values, "server")
    assert (told.given, told.resolved) == (
        {"learning-rate": 0.5, "fedproto.inference": "head"},
        {},
    )
    assert told.to_values() == values
    many = {f"given.{number}": 1 for number in range(MAX_GIVEN)}
    assert len(read_control(Order, order(**many), "server").given) == MAX_GIVEN
    assert "order.given" in refused(Order, order(**many, **{"given.more": 1}))


def test_an_order_and_a_description_come_back_as_they_were_sent() -> None:
    told = read_control(Order, order(), "server")
    assert told.to_values() == order()
    described = read_control(Description, description(), "client 4")
    assert described.to_values() == description()


@pytest.mark.parametrize(
    ("kind", "values"), [(Report, report()), (Description, description()), (Order, order())]
)
def test_every_field_must_be_there_and_no_other(
    kind: type[Control], values: dict[str, object]
) -> None:
    surplus = refused(kind, {**values, "surprise": 1})
    assert "surprise: Extra inputs are not permitted" in surplus
    for name in values:
        if not name.startswith("loss."):
            without = {k: v for k, v in values.items() if k != name}
            assert f".{name}: Field required" in refused(kind, without)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["loss", "loss.total", "train_s"])
def test_numbers_must_be_finite(name: str, bad: float) -> None:
    message = refused(Report, report(**{name: bad}))
    assert "finite" in message
    assert repr(bad) in message


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("round_number", 0),
        ("continued_from", -1),
        ("correct", -1),
        ("test_samples", -1),
        ("figure.step_ms", "fast"),
        ("figures", 0.5),
        ("validation_samples", -1),
        ("validation_loss", float("inf")),
        ("class_samples", [4, -1]),
        ("class_hits", [3.0]),
        ("class_predictions", [1] * (MAX_TOLD_CLASSES + 1)),
        ("macro_f1", 1.1),
        ("macro_f1", float("nan")),
        ("train_samples", 0),
        ("load_s", -0.1),
        ("save_s", -1.0),
        ("correct", float("nan")),
        ("correct", "7"),
        ("correct", True),
        ("loss", "0.5"),
        ("notes", [1]),
        ("notes", "a note"),
        ("loss.total", "0.75"),
        ("loss.total", [0.75]),
        ("losses", [0.5]),
        ("losses", 0.5),
    ],
)
def test_a_bad_field_of_a_report_is_refused(name: str, bad: object) -> None:
    refused(Report, report(**{name: bad}))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("partition", -1),
        ("num_partitions", 0),
        ("num_classes", 0),
        ("num_classes", 100_001),
        ("inputs", "pictures"),
        ("inputs", "x" * 101),
        ("sizes", [0, 8, 8]),
        ("sizes", [1, 8]),
        ("sizes", [1, 8, 8, 8]),
        ("sizes", [1, 1_000_001, 8]),
        ("sizes", [1, 8.0, 8]),
        ("feature_dim", 0),
        ("feature_dim", 1_000_001),
        ("model", "x" * 101),
        ("train_samples", -1),
        ("train_counts", [3, -1]),
        ("train_counts", [3.0]),
        ("class_names", [b"zero"]),
        ("class_digest", "0" * 63),
        ("class_digest", "0" * 64),
        ("values", "volts"),
        ("highest", float("inf")),
        ("source", "x" * 41),
        ("dealt", "digits"),
    ],
)
def test_a_bad_field_of_a_description_is_refused(name: str, bad: object) -> None:
    assert f"description.{name}" in refused(Description, description(**{name: bad}))


def test_a_description_carries_figures_by_name() -> None:
    read = read_control(Description, description(**{"figure.ms_per_image": 2.5}), "client 4")
    assert read.figures == {"ms_per_image": 2.5}
    assert read.to_values() == description(**{"figure.ms_per_image": 2.5})
    assert "description.figures" in refused(Description, description(**{"figure.ms": "fast"}))


def test_a_report_has_a_bounded_number_of_losses() -> None:
    few = {f"loss.{number}": 1.0 for number in range(MAX_LOSSES - 1)}
    assert len(read_control(Report, report(**few), "client 4").losses) == MAX_LOSSES
    many = {**few, "loss.one-more": 1.0}
    assert "report.losses" in refused(Report, report(**many))


def test_a_report_has_a_bounded_number_of_figures() -> None:
    few = {f"figure.{number}": 1.0 for number in range(MAX_FIGURES)}
    assert len(read_control(Report, report(**few), "client 4").figures) == MAX_FIGURES
    many = {**few, "figure.one-more": 1.0}
    assert "report.figures" in refused(Report, report(**many))


def test_not_more_samples_are_correct_than_there_are() -> None:
    assert read_control(Report, report(correct=10), "client 4").correct == 10
    message = refused(Report, report(correct=11))
    assert message.endswith("report.correct: expected at most test_samples=10, got 11")
    message = refused(Report, report(validation_samples=2, validation_correct=3))
    assert message.endswith("validation_correct: expected at most validation_samples=2, got 3")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".", "..", ".hidden", "/etc", "a\\b", "a b", "a\n", "ä", "a" * 101]
)
def test_a_run_name_cannot_leave_its_folder(name: str) -> None:
    assert "order.run" in refused(Order, order(run=name))


@pytest.mark.parametrize("name", ["a", "fedktl-20260101-120000", "A.b_c-9", "a" * 100])
def test_a_plain_run_name_is_accepted(name: str) -> None:
    assert read_control(Order, order(run=name), "server").run == name
