"""Two tasks of one shape may be unlike: what clients agree on beside shapes."""

from typing import Any

import pytest
from pydantic import ValidationError

from server_app.agreement import Agreement
from strategies.common.foreign_text import cleaned
from strategies.common.inputs import Images
from strategies.common.meaning import Meaning
from strategies.common.names import digest
from strategies.common.task import Task
from strategies.common.transport.control import Description

ROWS, OTHER_ROWS = "1" * 64, "2" * 64


def described(*names: str, **changes: Any) -> Description:
    values: dict[str, Any] = {
        "partition": 0, "num_partitions": 3, "model": "m", "num_classes": len(names) or 10,
        "inputs": "images", "sizes": [3, 8, 8], "feature_dim": 64, "foundation": "", "rank": 0,
        "places": [], "class_names": list(names), "class_digest": digest(names) if names else "",
        "values": "bytes", "lowest": 0.0, "highest": 255.0, "source": "folder", "dealt": "",
        "train_samples": 5, "test_samples": 5, "train_counts": [], "test_counts": [],
        "clients": 1, "notes": [], "figures": {},
    }  # fmt: skip
    return Description(**{**values, **changes})


def refusals(*clients: Description, private: bool = False) -> list[str | None]:
    agreement = Agreement(private_classes=private)
    task = agreement.reach(clients)
    return [agreement.objection(task, client) for client in clients]


def refusal(*clients: Description) -> str:
    """Return the only refusal, which is the last client's."""
    *others, last = refusals(*clients)
    assert others == [None] * len(others)
    assert last is not None
    return last


def test_other_classes_are_refused_though_there_are_as_many() -> None:
    pets, wild = described("cats", "dogs"), described("dogs", "foxes")
    said = refusal(pets, pets, wild)
    assert (
        "expected the classes cats, dogs, got dogs, foxes; missing here: cats; only here: " in said
    )
    assert (
        "foxes; all devices need the same classes in the same order: make an empty folder" in said
    )


def test_words_numbered_in_another_way_are_refused() -> None:
    texts = {"inputs": "tokens", "sizes": [20, 500], "values": "", "lowest": 0.0, "highest": 0.0}
    most, other = (described("a", "b", **texts, words=digit * 64) for digit in "12")
    said = refusal(most, most, other)
    assert f"expected words numbered as most clients do, by sha256 {'1' * 12}, got" in said
    assert "give all devices the same vocabulary-file, or leave it empty on all" in said
    # Whoever has tokens already, as in PFLlib's files, does not say how they were numbered.
    assert refusals(most, most, described("a", "b", **texts)) == [None] * 3


def test_tables_of_other_columns_are_refused() -> None:
    table = {"inputs": "columns", "sizes": [3], "values": "readings"}
    fewer = described("a", "b", **{**table, "sizes": [2]})
    assert "name the same ones in input-columns on all devices" in refusal(
        described("a", "b", **table), described("a", "b", **table), fewer
    )
    most, other = (described("a", "b", **table, words=digit * 64) for digit in "12")
    said = refusal(most, most, other)
    assert f"expected columns of numbers as most clients have them, by sha256 {'1' * 12}" in said
    assert "name the same columns in the same order on all devices, or set input-columns" in said
    agreement = Agreement(private_classes=False)
    begun = agreement.objection(agreement.reach([most]), other, begun=True)
    assert begun is not None
    assert "as when this run began" in begun
    assert "put them back as they were" in begun


def test_words_numbered_as_a_run_began_are_asked_for_when_it_goes_on() -> None:
    texts = {"inputs": "tokens", "sizes": [20, 500], "values": "", "lowest": 0.0, "highest": 0.0}
    began, now = (described("a", "b", **texts, words=digit * 64) for digit in "12")
    agreement = Agreement(private_classes=False)
    said = agreement.objection(agreement.reach([began]), now, begun=True)
    assert said is not None
    assert "as when this run began" in said
    assert "put vocabulary-file back as it was" in said


def test_on_a_tie_too_both_lists_are_named_and_it_does_not_matter_who_came_first() -> None:
    pets, wild = described("cats", "dogs"), described("dogs", "foxes")
    first, second = refusals(pets, wild), refusals(wild, pets)
    assert first == second[::-1]
    (said,) = [one for one in first if one]
    assert "cats, dogs" in said
    assert "dogs, foxes" in said


def test_on_a_tie_the_complete_device_stays_and_missing_classes_are_named() -> None:
    complete, lacking = described("cats", "dogs", "foxes"), described("cats", "dogs")
    for clients in ((complete, lacking), (lacking, complete)):
        by_client = dict(
            zip((len(c.class_names) for c in clients), refusals(*clients), strict=True)
        )
        assert by_client[3] is None
        assert by_client[2] is not None
        assert "cats, dogs, foxes against cats, dogs; missing here: foxes" in by_client[2]


def test_the_same_classes_in_another_order_are_other_classes() -> None:
    said = refusal(*[described("cat", "dog", "emu")] * 2, described("cat", "emu", "dog"))
    assert "class 1 is dog there and emu here" in said


def test_numbers_are_names_like_others() -> None:
    digits = described(*"0123456789")
    assert refusals(digits, digits) == [None, None]
    said = refusal(digits, digits, described(*"1234567890"))
    assert "class 0 is 0 there and 1 here" in said


def test_long_lists_and_long_or_odd_names_are_shortened() -> None:
    many = [f"class-{number:03}" for number in range(200)]
    odd = described(*many[:-1], cleaned("\x1b[31m" + "x" * 99, 80))
    said = refusal(*[described(*many)] * 2, odd)
    assert "class-000, class-001" in said
    assert "and 190 more" in said
    assert "missing here: class-199; only here: \\x1b[31mxxx" in said
    assert "\x1b" not in said
    assert len(said) < 700


def test_names_that_are_kept_private_are_compared_by_their_digest() -> None:
    def silent(*names: str) -> Description:
        return described(class_digest=digest(names), num_classes=len(names))

    assert refusals(silent("cats", "dogs"), described("cats", "dogs")) == [None, None]
    said = refusal(*[described("cats", "dogs")] * 2, silent("dogs", "foxes"))
    hidden = digest(["dogs", "foxes"])[:12]
    assert f"expected the classes cats, dogs, got of sha256 {hidden}, whose names are kept" in said


def test_names_must_have_the_digest_that_comes_with_them() -> None:
    with pytest.raises(ValidationError, match="expected the digest of class_names"):
        described("cats", "dogs", class_digest=digest(["dogs", "cats"]))


def test_private_classes_are_kept_out_of_it() -> None:
    clients = [described("yes", "no"), described("two", "three", "four")]
    assert refusals(*clients, private=True) == [None, None]
    assert Agreement(private_classes=True).reach(clients).meaning.classes == ""


def test_where_labels_were_counted_the_missing_file_is_named() -> None:
    def counted(most: int) -> Description:
        return described(*map(str, range(most)), classes_counted=True, source="pfllib")

    nine, *sevens = refusals(counted(9), counted(7), counted(7))
    assert sevens == [None, None]
    assert nine is not None
    assert "expected 7 classes of images" in nine
    assert "only here: 7, 8; classes were counted by the highest label" in nine
    assert "config.json beside the pfllib files is missing or gives no num_classes" in nine
    assert '{"num_classes": 9}' in nine


def test_values_of_another_scale_are_refused_with_both_ranges() -> None:
    raw = {"values": "floats", "lowest": 0.0, "highest": 255.0}
    said = refusal(*[described("a", "b")] * 2, described("a", "b", **raw))
    assert "expected values like bytes from 0 to 255 (0 to 255 are scaled to [-1, 1]), got " in said
    assert "got floats from 0 to 255, taken as they are; store them as the others do" in said
    # The majority decides here too; of two, bytes stay.
    assert refusals(described(**raw), described(**raw), described())[:2] == [None, None]
    assert refusals(described(**raw), described())[1] is None


def test_a_grey_device_among_coloured_ones_is_told_of_the_setting() -> None:
    said = refusal(*[described("a", "b")] * 2, described("a", "b", sizes=[1, 8, 8]))
    assert "expected 2 classes of images of 3 x 8 x 8 (channels x height x width), got " in said
    assert said.endswith("set channels=3 to read all in colour or channels=1 to read all in grey")
    both = refusal(*[described("a", "b")] * 2, described("a", "b", sizes=[1, 9, 9]))
    assert both.endswith("to read all in grey, and image-size")


def dealt(num_partitions: int, rows: str = ROWS, source: str = "digits") -> Description:
    return described(*"01", num_partitions=num_partitions, dealt=rows, source=source)


def test_shares_of_one_data_set_need_one_number_of_partitions() -> None:
    said = refusal(dealt(3), dealt(3), dealt(3), dealt(4))
    assert (
        "expected num-partitions=3 as most clients have, got num-partitions=4: its share of "
        in said
    )
    assert (
        "digits would overlap with theirs; set the same num-partitions in the node config" in said
    )
    assert refusals(dealt(3), dealt(4))[1] is None


def test_shares_are_shares_of_the_same_data() -> None:
    said = refusal(dealt(3), dealt(3), dealt(3, OTHER_ROWS, "parquet"))
    assert "digits (sha256 111111111111), got parquet (sha256 222" in said
    # The hub's copy of the same rows are the same data.
    assert refusals(dealt(3), dealt(3, source="hub")) == [None, None]


def test_data_of_a_devices_own_join_beside_any() -> None:
    own = described(*"01", num_partitions=4)
    assert refusals(dealt(3), dealt(3), dealt(3), own) == [None] * 4
    assert refusals(own, described(*"01", num_partitions=5)) == [None, None]
    # Many of them do not decide for the few that deal.
    assert refusals(own, own, own, dealt(2), dealt(2), dealt(3))[3:5] == [None, None]


def test_what_a_run_began_with_holds_after_a_resume() -> None:
    agreement = Agreement(private_classes=False)
    begun = Task.from_values(agreement.reach([described("cats", "dogs")]).to_values())
    assert agreement.objection(begun, described("cats", "dogs")) is None
    assert "only here: foxes" in (agreement.objection(begun, described("dogs", "foxes")) or "")
    # A run of an earlier version knew shapes alone.
    shares = agreement.reach([dealt(3)])
    said = agreement.objection(shares, dealt(4), begun=True) or ""
    assert "expected num-partitions=3 with which this run began, got num-partitions=4" in said
    assert said.endswith("; go on with 3 devices, or begin a run of another run-name")
    said = agreement.objection(shares, dealt(3, OTHER_ROWS), begun=True) or ""
    assert "the data that this run's clients had shares of, digits (sha256 111111111111)" in said
    assert "got digits (sha256 222222222222); put the data back as they were" in said
    old = Task(2, Images(3, 8, 8), 64)
    assert old.meaning == Meaning()
    assert agreement.objection(old, described("dogs", "foxes")) is None


def test_a_stranger_does_not_leave_the_width_of_features_open() -> None:
    agreement = Agreement(private_classes=False)
    clients = [dealt(3), dealt(3), described(*"01", feature_dim=7, values="floats", highest=9.0)]
    assert agreement.reach(clients).feature_dim == 64
