import hashlib

import pytest

from strategies.common.errors import ModelError
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

UNLIKE = LoraShape((LoraTarget("a.query", 6, 6), LoraTarget("a.value", 6, 2)))


def test_rank_2_of_two_layers_counts_by_hand():
    # query: 2 * 6 + 6 * 2 = 24; value: 2 * 6 + 2 * 2 = 16.
    assert UNLIKE.width == 6 + 6 + 6 + 2
    assert sum(rows * columns for _, (rows, columns) in UNLIKE.keys(2)) == 40
    assert UNLIKE.keys(2) == (
        ("a.query.lora_A.weight", (2, 6)),
        ("a.query.lora_B.weight", (6, 2)),
        ("a.value.lora_A.weight", (2, 6)),
        ("a.value.lora_B.weight", (2, 2)),
    )


def test_a_narrow_layer_stops_at_its_full_rank():
    assert UNLIKE.keys(4)[2:] == (
        ("a.value.lora_A.weight", (2, 6)),
        ("a.value.lora_B.weight", (2, 2)),
    )
    assert UNLIKE.full_rank == 6
    assert UNLIKE.keys(100) == UNLIKE.keys(6)
    assert sum(rows * columns for _, (rows, columns) in UNLIKE.keys(6)) == 72 + 16


def test_rank_8_of_a_small_vilt():
    # 4 layers of width 64 with query and value: 8 * 8 * (64 + 64) values.
    layers = [f"encoder.layer.{i}.{part}" for i in range(4) for part in ("query", "value")]
    shape = LoraShape(tuple(LoraTarget(layer, 64, 64) for layer in layers))
    assert 8 * shape.width == 8192


def test_the_digest_covers_names_and_widths_in_order():
    text = '[["a.query", 6, 6], ["a.value", 6, 2]]'
    assert UNLIKE.digest() == hashlib.sha256(text.encode()).digest()
    others = [
        LoraShape(UNLIKE.targets[::-1]),
        LoraShape(UNLIKE.targets[:1]),
        LoraShape((LoraTarget("b.query", 6, 6), UNLIKE.targets[1])),
        LoraShape((UNLIKE.targets[0], LoraTarget("a.value", 2, 6))),
    ]
    assert len({UNLIKE.digest(), *(other.digest() for other in others)}) == 5


@pytest.mark.parametrize("rank", [0, -1])
def test_a_rank_below_1_is_refused(rank):
    with pytest.raises(ModelError, match="rank of 1 or more"):
        UNLIKE.keys(rank)


def test_no_layer_a_name_twice_or_no_width_is_refused():
    with pytest.raises(ModelError, match="names of their own"):
        LoraShape(())
    with pytest.raises(ModelError, match="names of their own"):
        LoraShape((UNLIKE.targets[0], UNLIKE.targets[0]))
    with pytest.raises(ModelError, match=r"a\.query: expected widths of 1 or more, got 6 to 0"):
        LoraShape((LoraTarget("a.query", 6, 0),))
