"""Frames: what is written is read back, and anything else is refused by name."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import WireError
from strategies.common.split.wire import framing, split_pb2, survey_parts, tail
from strategies.common.split.wire.frames import (
    Activations,
    CodecName,
    FrameSpec,
    Gradients,
    Skipped,
    Survey,
    TensorSpec,
)
from strategies.common.split.wire.framing import Framer

SHAPE = (2, 3, 3)


def spec(
    codec: CodecName = "float32",
    gradient_codec: CodecName = "float32",
    *,
    returns_gradient: bool = True,
) -> FrameSpec:
    tensors = (
        TensorSpec("query", "activations", SHAPE, 100.0),
        TensorSpec("labels", "labels", (), 5),
    )
    return FrameSpec((4, 7), 3, tensors, returns_gradient, codec, gradient_codec, 5)


def frame(step: int = 9) -> Activations:
    query = torch.linspace(-5, 5, 108).reshape(2, 3, *SHAPE)
    return Activations(step, (query, torch.tensor([[0, 1, 4], [2, 2, 3]])))


def read(raw: bytes, own: FrameSpec | None = None) -> Activations:
    up, numbers = framing.parse_up(raw, "node 2")
    return Framer(own or spec(), "node 2").read_activations(up.activations, numbers)


def test_activations_arrive_as_they_were_sent() -> None:
    found = read(Framer(spec(), "node 2").write_activations(frame()))
    assert found.step == 9
    assert torch.equal(found.tensors[0], frame().tensors[0])
    assert torch.equal(found.tensors[1], frame().tensors[1])
    assert found.tensors[1].dtype is torch.int64
    # What arrives may be changed in place, unlike the bytes that it came in.
    found.tensors[0].mul_(2)


def test_what_fits_is_exact() -> None:
    own = Framer(spec(), "node 2")
    query, labels = frame().tensors
    assert own.is_exact((query, labels))
    assert not Framer(spec("float16"), "node 2").is_exact((query, labels))
    for other in (query * torch.nan, query * 100, query[:1], query.double()):
        assert not own.is_exact((other, labels))
    for wrong in (labels + 1, labels - 1, labels.int()):
        assert not own.is_exact((query, wrong))
    assert not own.is_exact((query,))


def test_a_gradient_that_fits_is_exact() -> None:
    own, gradient = Framer(spec(), "node 2"), torch.ones(2, 3, *SHAPE)
    assert own.is_exact_gradient(gradient)
    assert not own.is_exact_gradient(gradient / 0)
    assert not own.is_exact_gradient(gradient[:1])
    assert not Framer(spec(gradient_codec="float16"), "node 2").is_exact_gradient(gradient)
    assert not Framer(spec(returns_gradient=False), "node 2").is_exact_gradient(gradient)


@pytest.mark.parametrize("codec", ["float16", "uint8"])
def test_lossy_activations_arrive_nearly_and_their_labels_exactly(codec: CodecName) -> None:
    found = read(Framer(spec(codec), "node 2").write_activations(frame()), spec(codec))
    assert found.tensors[0] == pytest.approx(frame().tensors[0], abs=5 / 250)
    assert torch.equal(found.tensors[1], frame().tensors[1])


@pytest.mark.parametrize("codec", ["float32", "float16"])
def test_gradients_arrive(codec: CodecName) -> None:
    framer = Framer(spec(gradient_codec=codec), "node 2")
    sent = Gradients(3, torch.randn(2, 3, *SHAPE) * 1e-6)
    down, numbers = framing.parse_down(framer.write_answer(sent), "server")
    found = framer.read_gradients(down.gradients, numbers)
    assert found.step == 3
    assert found.gradient is not None
    assert sent.gradient is not None
    assert torch.allclose(found.gradient, sent.gradient, rtol=2**-11, atol=0)
    assert torch.equal(found.gradient, sent.gradient) is (codec == "float32")


def test_frozen_clients_get_an_answer_without_a_gradient() -> None:
    framer = Framer(spec(returns_gradient=False), "node 2")
    down, numbers = framing.parse_down(framer.write_answer(Gradients(3, None)), "server")
    assert framer.read_gradients(down.gradients, numbers) == Gradients(3, None)
    with pytest.raises(WireError, match="expected no gradient, since the clients' models are"):
        framer.write_answer(Gradients(3, torch.zeros(2, 3, *SHAPE)))
    with pytest.raises(WireError, match="expected a gradient, got none"):
        Framer(spec(), "node 2").write_answer(Gradients(3, None))


def test_skipped_steps_arrive() -> None:
    raw = Framer(spec(), "node 2").write_answer(Skipped(3, 8))
    down, _ = framing.parse_down(raw, "server")
    assert (down.skipped.step, down.skipped.next_step) == (3, 8)


@pytest.mark.parametrize("codec", ["float32", "float16", "uint8"])
def test_no_frame_is_larger_than_is_said_and_none_is_much_smaller(codec: CodecName) -> None:
    framer = Framer(spec(codec, "float16"), "node 2")
    up = len(framer.write_activations(frame(2**40)))
    down = len(framer.write_answer(Gradients(2**40, torch.zeros(2, 3, *SHAPE))))
    assert framer.largest_up - 4096 <= up <= framer.largest_up
    assert framer.largest_down - 4096 <= down <= framer.largest_down


def test_any_protobuf_library_reads_and_writes_the_frames() -> None:
    raw = Framer(spec(), "node 2").write_activations(frame())
    plain = split_pb2.Up.FromString(raw)
    assert len(plain.numbers) == 4 * 108 + 8 * 6
    assert plain.SerializeToString() == raw


def write_bad(change: Callable[[split_pb2.Up], None], own: FrameSpec | None = None) -> bytes:
    whole = split_pb2.Up.FromString(Framer(own or spec(), "node 2").write_activations(frame()))
    change(whole)
    return whole.SerializeToString()


def drop_tensor(up: split_pb2.Up) -> None:
    del up.activations.tensors[1]


def change_codec(up: split_pb2.Up) -> None:
    up.activations.tensors[0].codec = split_pb2.FLOAT16


def unknown_codec(up: split_pb2.Up) -> None:
    up.activations.tensors[0].codec = 77


def change_shape(up: split_pb2.Up) -> None:
    up.activations.tensors[0].shape[0] = 3


def no_shape(up: split_pb2.Up) -> None:
    del up.activations.tensors[0].shape[:]


def more_axes(up: split_pb2.Up) -> None:
    up.activations.tensors[0].shape.extend([1] * 100)


def shorten(up: split_pb2.Up) -> None:
    up.numbers = up.numbers[:-1]


def lengthen(up: split_pb2.Up) -> None:
    up.numbers += b"\0"


def add_scales(up: split_pb2.Up) -> None:
    up.activations.tensors[1].scales.append(1.0)


def negative_label(up: split_pb2.Up) -> None:
    up.numbers = up.numbers[:-8] + (-1).to_bytes(8, "little", signed=True)


def large_label(up: split_pb2.Up) -> None:
    up.numbers = up.numbers[:-8] + (5).to_bytes(8, "little")


def not_a_number(up: split_pb2.Up) -> None:
    up.numbers = b"\x00\x00\xc0\x7f" + up.numbers[4:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_tensor, "node 2: expected 2 tensors, got 1"),
        (change_codec, "node 2, query: expected codec float32, got float16"),
        (unknown_codec, "node 2, query: expected codec float32, got 77"),
        (change_shape, r"node 2, query: expected shape \(2, 3, 2, 3, 3\), got \(3, 3, 2, 3, 3\)"),
        (no_shape, r"query: expected shape \(2, 3, 2, 3, 3\), got \(\)"),
        (more_axes, r"query: expected shape \(2, 3, 2, 3, 3\), got \((\d, ){15}1\)$"),
        (shorten, "node 2: expected 480 bytes of numbers, got 479"),
        (lengthen, "node 2: expected 480 bytes of numbers, got 481"),
        (add_scales, "node 2, labels: expected 0 scales, got 1"),
        (negative_label, r"node 2, labels: expected labels in \[0, 5\), got -1 to 4"),
        (large_label, r"node 2, labels: expected labels in \[0, 5\), got 0 to 5"),
        (not_a_number, "node 2, query: expected finite numbers of at most 100 .* got NaN"),
    ],
)
def test_activations_that_do_not_fit_are_refused_by_name(
    change: Callable[[split_pb2.Up], None], message: str
) -> None:
    with pytest.raises(WireError, match=message):
        read(write_bad(change))


def test_bytes_without_their_scales_are_refused() -> None:
    def drop_scale(up: split_pb2.Up) -> None:
        del up.activations.tensors[0].scales[-1]

    with pytest.raises(WireError, match="query: expected 12 scales, got 11"):
        read(write_bad(drop_scale, spec("uint8")), spec("uint8"))


def test_what_does_not_fit_is_not_sent() -> None:
    framer = Framer(spec(), "node 2")
    query, labels = frame().tensors
    for tensors, message in [
        ((query,), "expected 2 tensors, got 1"),
        ((query[:1], labels), r"query: expected shape \(2, 3, 2, 3, 3\), got \(1, 3, 2, 3, 3\)"),
        ((query * 1e4, labels), "query: expected finite numbers of at most 100 in magnitude"),
        ((query, labels + 5), r"labels: expected labels in \[0, 5\), got 5 to 9"),
    ]:
        with pytest.raises(WireError, match=message):
            framer.write_activations(Activations(1, tensors))


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match=r"^node 2: expected "):
        read(raw)


@settings(max_examples=60)
@given(st.integers(0, 300_000), st.integers(1, 4))
def test_numbers_at_the_tail_are_found_where_they_were_put(length: int, parts: int) -> None:
    head = split_pb2.Up(hello=split_pb2.Hello(node=3)).SerializeToString()
    numbers = memoryview(bytes(length))
    raw = tail.join(head, [numbers] * parts)
    found, rest = tail.split(raw, "here")
    assert found == head
    assert len(rest) == length * parts
    assert split_pb2.Up.FromString(raw).hello.node == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x7a\x01x",  # numbers alone
        b"\x12\x00\x7a\x02x",  # numbers cut short
        b"\x12\x00\x7a\x01xy",  # something behind them
        b"\x12\x00\x12\x00",  # two kinds
        b"\x12\xff\xff\xff\xff\xff\xff\x00",  # a length without end
        b"\x08\x01",  # no message
    ],
)
def test_frames_of_another_form_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match=f"expected a frame, got {len(raw)} bytes of no frame"):
        tail.split(raw, "here")


# Surveys


def survey(samples: int, client: int = 4) -> Survey:
    activations = torch.arange(samples * 18, dtype=torch.float32).reshape(samples, *SHAPE) / 100
    return Survey(client, "holdout", activations, torch.arange(samples) % 5)


def read_part(raw: bytes) -> Survey:
    up, numbers = framing.parse_up(raw, "node 2")
    return survey_parts.read(up.survey, numbers, spec("uint8"), "node 2")


def test_a_survey_is_cut_and_arrives_whole_as_float32() -> None:
    sent = survey(150)
    parts = [
        read_part(survey_parts.write(part, number, "node 2"))
        for number, part in enumerate(survey_parts.cut(sent), start=1)
    ]
    assert [len(part.labels) for part in parts] == [64, 64, 22]
    assert {(part.client, part.split) for part in parts} == {(4, "holdout")}
    assert torch.equal(torch.cat([part.activations for part in parts]), sent.activations)
    assert torch.equal(torch.cat([part.labels for part in parts]), sent.labels)


def test_nothing_is_sent_of_no_samples_and_large_ones_go_one_by_one() -> None:
    assert list(survey_parts.cut(survey(0))) == []
    # 64 channels of 112 x 112 numbers are 3.2 MB; a megabyte holds 4 of 256 KiB.
    assert survey_parts.most_samples((64, 112, 112)) == 1
    assert survey_parts.most_samples((64, 32, 32)) == 4


def test_no_part_is_larger_than_is_said() -> None:
    raw = survey_parts.write(survey(64), 2**40, "node 2")
    largest = survey_parts.largest_part(spec())
    assert largest - 4096 <= len(raw) <= largest


def test_surveys_that_do_not_fit_are_refused_by_name() -> None:
    def bad(change: Callable[[split_pb2.Survey], None], sent: Survey | None = None) -> bytes:
        up = split_pb2.Up.FromString(survey_parts.write(sent or survey(3), 1, "node 2"))
        change(up.survey)
        return up.SerializeToString()

    def nothing(_: split_pb2.Survey) -> None:
        pass

    def split_9(message: split_pb2.Survey) -> None:
        message.split = 9

    def no_shape(message: split_pb2.Survey) -> None:
        del message.activations.shape[:]

    def other_labels(message: split_pb2.Survey) -> None:
        message.labels.shape[0] = 2

    for raw, expected in [
        (bad(nothing, survey(3, client=5)), r"expected a client of \(4, 7\), got client 5"),
        (bad(split_9), "expected one of 3 splits, got 9"),
        (bad(no_shape), "expected 1 to 64 samples, got 0"),
        (bad(other_labels), r"labels: expected shape \(3,\), got \(2,\)"),
        (bad(nothing, survey(65)), "expected 1 to 64 samples, got 65"),
        (bad(nothing, Survey(4, "bank", torch.zeros(2, 1), torch.zeros(2))), "expected shape"),
        (
            bad(nothing, Survey(4, "bank", torch.zeros(1, *SHAPE), torch.tensor([5]))),
            r"labels: expected labels in \[0, 5\), got 5 to 5",
        ),
        (
            bad(nothing, Survey(4, "bank", torch.full((1, *SHAPE), 101.0), torch.tensor([1]))),
            "activations: expected finite numbers of at most 100",
        ),
    ]:
        with pytest.raises(WireError, match=expected):
            read_part(raw)
