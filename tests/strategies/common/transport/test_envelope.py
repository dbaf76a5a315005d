"""One message carries one control record and at most one packed payload, and nothing else."""

import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.payload import Payload, Sizes, payload, payload_base, tensor
from strategies.common.task import Task
from strategies.common.transport.control import Order, Report
from strategies.common.transport.envelope import (
    Parcel,
    count_bytes,
    pack,
    read_blob,
    read_control_record,
    read_payload,
    to_record_dict,
)
from strategies.common.wire import encode
from tests.strategies.halves import agreed

AGREED = agreed("local", Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=2))
ORDER = Order(run="run-1", round_number=4, continue_from=3, resolved={})


@payload_base
class Row(Payload):
    logits: Tensor = tensor("float", "class")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        return Sizes({"class": agreed.task.num_classes})


@payload("test.logits", version=1)
class Logits(Row):
    pass


@payload("test.others", version=1)
class Others(Row):
    pass


def logits() -> Logits:
    return Logits(torch.tensor([1.0, 2.5, -3.0]))


def message(payload: Payload | None = None) -> RecordDict:
    """Build a content and send it through Flower's own serialisation."""
    content = to_record_dict(ORDER, pack(payload, "float32"))
    return recorddict_from_proto(recorddict_to_proto(content))


def payload_of(records: RecordDict, kind: type[Payload] | None = Logits) -> Payload | None:
    return read_payload(records, Order, kind, AGREED, sender="client 2")


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "round_number": 4,
        "continued_from": 3,
        "correct": 1,
        "test_samples": 2,
        "loss": 1.25,
        "validation_correct": 0,
        "validation_samples": 0,
        "validation_loss": 0.0,
        "class_samples": [],
        "class_hits": [],
        "class_predictions": [],
        "train_samples": 3,
        "load_s": 0.0,
        "train_s": 0.0,
        "evaluate_s": 0.0,
        "save_s": 0.0,
        "notes": [],
        "scores": {"own": 0.25},
        "losses": {"total": 0.5},
        "figures": {"peak_memory_bytes": 5e8},
    }
    return Report.model_validate(values | changes)


def test_order_and_payload_arrive_as_they_were_sent() -> None:
    arrived = message(logits())
    assert list(arrived) == ["order", "test.logits"]
    assert read_control_record(arrived, Order, sender="server") == ORDER
    found = payload_of(arrived)
    assert isinstance(found, Logits)
    assert torch.equal(found.logits, logits().logits)


def test_a_payload_is_one_array_however_many_tensors_it_has() -> None:
    assert len(message(logits()).array_records["test.logits"]) == 1


def test_no_payload_is_none() -> None:
    assert pack(None, "float32") is None
    arrived = message(None)
    assert list(arrived) == ["order"]
    assert payload_of(arrived) is None
    assert payload_of(arrived, None) is None


def test_a_report_with_empty_lists_survives_flowers_records() -> None:
    for sent in (report(), report(losses={}), report(notes=["one", "two"])):
        content = recorddict_from_proto(recorddict_to_proto(to_record_dict(sent, None)))
        assert read_control_record(content, Report, sender="client 2") == sent


def test_a_payload_where_none_is_allowed_is_refused() -> None:
    with pytest.raises(WireError, match=r"^client 2: expected no payload, got test\.logits$"):
        payload_of(message(logits()), None)


def test_a_payload_of_another_schema_is_refused() -> None:
    with pytest.raises(WireError, match=r"expected test\.logits, got test\.others$"):
        payload_of(message(Others(torch.zeros(3))))


def test_another_payload_under_the_right_name_is_refused() -> None:
    records = to_record_dict(
        ORDER, Parcel("test.logits", encode(Others(torch.zeros(3)), "float32"))
    )
    with pytest.raises(WireError, match=r"expected schema test\.logits version 1, got"):
        payload_of(records)


@pytest.mark.parametrize(
    "extra",
    [
        ConfigRecord({"x": 1}),
        MetricRecord({"x": 1.0}),
        ArrayRecord({"x": Array("uint8", (), "s", b"")}),
    ],
)
def test_extra_records_are_refused(extra: ConfigRecord | MetricRecord | ArrayRecord) -> None:
    for records in (message(logits()), message(None)):
        records["surprise"] = extra
        with pytest.raises(WireError, match=r"expected test\.logits, got .*surprise"):
            payload_of(records)


def test_two_payloads_are_refused() -> None:
    records = message(logits())
    records["test.others"] = message(Others(torch.zeros(3)))["test.others"]
    with pytest.raises(WireError, match=r"expected test\.logits, got test\.logits, test\.others"):
        payload_of(records)


def test_a_payload_must_be_one_packed_array() -> None:
    blob = encode(logits(), "float32")
    array = Array("uint8", (len(blob),), "nectar.safetensors", blob)
    wrong: list[ConfigRecord | MetricRecord | ArrayRecord] = [
        ConfigRecord({"blob": blob}),
        ArrayRecord({}),
        ArrayRecord({"other": array}),
        ArrayRecord({"blob": array, "more": array}),
    ]
    for record in wrong:
        records = RecordDict({"order": ConfigRecord(ORDER.to_values()), "test.logits": record})
        with pytest.raises(WireError, match=r"^client 2: test\.logits: expected one packed array"):
            payload_of(records)


def test_an_array_of_another_serialisation_is_refused() -> None:
    import numpy as np

    foreign = ArrayRecord({"blob": Array(np.zeros(3, np.float32))})
    records = RecordDict({"order": ConfigRecord(ORDER.to_values()), "test.logits": foreign})
    with pytest.raises(WireError, match=r"expected a nectar\.safetensors array, got numpy"):
        read_blob(records, "test.logits", "client 2")


@pytest.mark.parametrize("records", [{}, {"report": ConfigRecord({})}, {"order": MetricRecord({})}])
def test_a_missing_control_record_is_refused_with_what_came(
    records: dict[str, ConfigRecord | MetricRecord],
) -> None:
    told = ", ".join(records) or "none"
    with pytest.raises(WireError, match=f"^server: expected a record order, got {told}$"):
        read_control_record(RecordDict(dict(records)), Order, sender="server")


def test_a_report_as_long_as_allowed_is_read_and_a_longer_one_is_refused() -> None:
    content = to_record_dict(report(notes=["x" * 400] * 5), None)
    record = content["report"]
    assert isinstance(record, ConfigRecord)
    length = len(record.deflate())
    assert length > 2000
    read_control_record(content, Report, sender="client 2", max_bytes=length)
    with pytest.raises(WireError, match=f"expected at most {length - 1} bytes, got {length}"):
        read_control_record(content, Report, sender="client 2", max_bytes=length - 1)


def test_the_length_is_checked_before_anything_is_read() -> None:
    record = ConfigRecord({f"junk{number}": "x" * 100 for number in range(100)})
    with pytest.raises(WireError, match="report: expected at most 1024 bytes"):
        read_control_record(RecordDict({"report": record}), Report, sender="c", max_bytes=1024)


def test_bytes_are_those_that_flower_moves() -> None:
    records = message(logits())
    blob = encode(logits(), "float32")
    order = records["order"]
    assert isinstance(order, ConfigRecord)
    # Flower moves a record as an object: a line with its type and length, then its bytes.
    line, _, body = order.deflate().partition(b"\0")
    assert ConfigRecord.inflate(order.deflate()) == order
    assert len(body) > len("run-1")
    assert count_bytes(records) == {"order": len(line) + 1 + len(body), "test.logits": len(blob)}


def test_bytes_do_not_depend_on_the_values() -> None:
    small, large = message(Logits(torch.zeros(3))), message(Logits(torch.full((3,), 1e30)))
    assert count_bytes(small) == count_bytes(large)
