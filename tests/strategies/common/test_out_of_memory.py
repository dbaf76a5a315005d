"""A lack of memory is told from other errors."""

import pytest
import torch

from strategies.common.out_of_memory import is_out_of_memory


@pytest.mark.parametrize("shape", [(2**55,), (2**40, 2**40)])
def test_what_torch_cannot_hold_is_a_lack_of_memory(shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(shape)
    assert is_out_of_memory(caught.value)


def test_other_errors_are_not() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("can't allocate memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(2).reshape(3)
    assert not is_out_of_memory(caught.value)
