"""Where and with how many threads to compute."""

import pytest
import torch

from strategies.common.errors import SettingsError
from strategies.common.transport.compute import threads, torch_device


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("_gpu")
def test_a_named_device_is_that_device() -> None:
    assert torch_device("cpu") == torch.device("cpu")
    assert torch_device("cuda") == torch.device("cuda")


def test_a_gpu_that_is_not_there_is_refused_with_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError) as caught:
        torch_device("cuda")
    assert str(caught.value) == (
        "setting device: expected cpu or auto, since this machine has no GPU that torch can use, "
        "got cuda"
    )
    with pytest.raises(SettingsError, match=r"^setting server-device: expected cpu or auto"):
        torch_device("cuda", "server-device")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert torch_device("auto") == torch.device(expected)


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(("name", "expected"), [("cuda", True), ("cpu", False)])
def test_a_gpu_adds_up_in_one_order(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    torch_device(name)
    assert torch.backends.cudnn.deterministic is expected


def test_threads_hold_within_the_block_and_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_are_put_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="shape"), threads(before + 1):
        torch.zeros(3).reshape(2, 2)
    assert torch.get_num_threads() == before
