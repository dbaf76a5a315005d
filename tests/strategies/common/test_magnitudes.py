"""Uploads far larger than the others': who is named, and who never is."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from strategies.common.magnitudes import (
    ADAPTER_FACTOR,
    FACTOR,
    UNLIKE_FACTOR,
    Size,
    sizes_of,
    together,
    too_large,
    unsettled,
)
from strategies.fedproto.wire import Prototypes
from strategies.splitfed.wire import SplitFedModels


def prototypes(rows: Tensor) -> Prototypes:
    count = len(rows)
    return Prototypes(rows, torch.arange(count), torch.ones(count, dtype=torch.int64))


def judged(*values: float, samples: tuple[int, ...] = (), learnt: bool = False) -> list[int]:
    sizes = {n: {"x": Size((value,), learnt=learnt)} for n, value in enumerate(values)}
    counts = samples or (10,) * len(values)
    return sorted(too_large(sizes, dict(enumerate(counts))))


def test_the_size_of_a_row_is_its_root_mean_square() -> None:
    found = sizes_of(prototypes(torch.tensor([[3.0, 4.0], [0.0, 0.0]])))
    assert found == {"rows": Size((12.5**0.5, 0.0))}
    assert found["rows"].largest == 12.5**0.5


def test_values_together_have_one_size_and_none_where_there_are_none() -> None:
    # The mean of 9, 16, 0 and 0 is 6.25.
    assert together(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == Size((2.5,), learnt=True)
    assert together(torch.zeros(0, 2)) == Size((), learnt=True)


@pytest.mark.parametrize(("share", "refused"), [(0.5, [3, 4]), (0.75, [4]), (1.0, [])])
def test_what_is_typical_is_what_a_share_of_clients_stays_within(
    share: float, refused: list[int]
) -> None:
    # Eight times the third of five, the fourth, or the fifth.
    sizes = [0.1, 0.2, 1.0, 10.0, 100.0]
    told = {n: {"rows": Size((size,), share=share)} for n, size in enumerate(sizes)}
    assert list(too_large(told, dict.fromkeys(told, 10))) == refused


def test_a_limit_that_is_not_what_is_typical_says_so() -> None:
    sizes = [1e-5, 1e-5, 1e-5, 2.0]
    told = {n: {"model": Size((size,), 10.0, learnt=True)} for n, size in enumerate(sizes)}
    (reason,) = too_large(told, dict.fromkeys(told, 10)).values()
    assert "expected values of 0.5 at most, which is more than 8 times what is typical" in reason


def test_weights_count_by_their_distance_from_what_was_sent() -> None:
    sent = torch.tensor([1.0, 2.0])
    uplink = SplitFedModels(
        torch.tensor([[4.0, 6.0], [1.0, 2.0]]), torch.tensor([0, 1]), torch.tensor([1, 1])
    )
    size = sizes_of(uplink, {"models": sent})["models"]
    assert size.rows == (12.5**0.5, 0.0)
    assert size.beside == 2.5**0.5
    assert size.learnt
    assert sizes_of(uplink)["models"].rows == (26.0**0.5, 2.5**0.5)


@pytest.mark.parametrize("value", [1e3, 1e6, 1e10, 1e20, 1e30, 3e38, -3e38, 10.0, -10.0, 100.0])
def test_one_client_of_three_is_named_and_no_other(value: float) -> None:
    honest = [torch.tensor([[0.5, 1.0], [1.5, 0.5]]), torch.tensor([[1.0, 1.0]])]
    sent = [*map(prototypes, honest), prototypes(value * torch.ones(4, 2))]
    sizes = {partition: sizes_of(uplink) for partition, uplink in enumerate(sent)}
    told = too_large(sizes, {0: 10, 1: 10, 2: 10})
    assert list(told) == [2]
    assert told[2].startswith("rows: expected values of ")
    assert "8 times what is typical of this round's 3 clients, got values of" in told[2]


def test_unlike_clients_are_never_refused() -> None:
    assert judged(1.0, 1.0, 1.0, FACTOR) == []
    assert judged(1.0, 1.0, 1.0, FACTOR * 1.01) == [3]
    # A client that sends next to nothing makes no other one large, nor do two of five.
    assert judged(0.0, 1.0, 1.0) == judged(1e-9, 1e-9, 1.0, 1.0, 1.0) == []
    # Dead features on most clients: what is alive and small is no attack.
    assert judged(0.0, 0.0, 0.0, 1e-3) == []
    # Twenty clients whose sizes are spread over a factor of ten.
    assert judged(*(0.5 + n / 4 for n in range(20))) == []


def test_clients_of_unlike_models_are_held_to_their_like_or_to_a_wider_bound() -> None:
    """A net of one layer in the first round beside two CNNs: 0.462 where they send 0.05."""
    sent = {0: 0.0526, 1: 0.462, 2: 0.0526}
    sizes = {client: {"rows": Size((value,))} for client, value in sent.items()}
    samples = dict.fromkeys(range(9), 10)
    assert list(too_large(sizes, samples)) == [1]
    assert too_large(sizes, samples, {0: "cnn", 1: "net", 2: "cnn"}) == {}
    loud = {**sizes, 1: {"rows": Size((UNLIKE_FACTOR * 0.0526 * 1.01,))}}
    told = too_large(loud, samples, {0: "cnn", 1: "net", 2: "cnn"})
    assert list(told) == [1]
    assert "30 times what is typical of this round's 3 clients with unlike models" in told[1]


def test_three_of_one_model_say_what_is_typical_of_it() -> None:
    sizes = {n: {"rows": Size((1.0,))} for n in range(4)} | {
        n: {"rows": Size((10.0,))} for n in range(4, 7)
    }
    models = {n: "cnn" if n < 4 else "net" for n in range(7)}
    samples = dict.fromkeys(range(9), 10)
    assert too_large(sizes, samples, models) == {}
    # A CNN ten times as large as the others is no net.
    told = too_large({**sizes, 3: {"rows": Size((10.0,))}}, samples, models)
    assert list(told) == [3]
    assert "8 times what is typical of this round's 4 clients with cnn" in told[3]
    # Three that agree on a name of their own are held to what everyone sends all the same.
    lying = {n: {"rows": Size((31.0,))} for n in range(4, 7)}
    assert list(too_large({**sizes, **lying}, samples, models)) == [4, 5, 6]


def test_weights_that_are_shared_are_alike_whatever_models_are_called() -> None:
    sizes = {n: {"adapter": Size((0.1,), 0.1, True)} for n in range(5)}
    sizes[5] = {"adapter": Size((1.0,), 0.1, True)}
    models = {n: f"model {n}" for n in sizes}
    assert list(too_large(sizes, dict.fromkeys(sizes, 10), models)) == [5]


def test_a_narrow_model_may_change_more_than_wide_ones() -> None:
    """Its weights are larger, and so are their changes, by the square root of the width."""
    wide = Size((0.0007,), 0.012, learnt=True).of_whole_model()
    narrow = Size((0.034,), 0.15, learnt=True).of_whole_model()
    models = dict(enumerate(["wide"] * 4 + ["narrow"] * 2))
    sizes = {n: {"parameters": narrow if n > 3 else wide} for n in models}
    counts = dict.fromkeys(models, 10)
    assert too_large(sizes, counts, models) == {}
    # Of the wide ones, as many as tell what is typical of them, none may go as far.
    sizes[0] = {"parameters": Size((0.0065,), 0.012, learnt=True).of_whole_model()}
    (told,) = too_large(sizes, counts, models).values()
    assert "4 clients with wide, got a change of 0.542 of what was sent (root mean" in told
    sizes[5] = {"parameters": Size((0.3,), 0.15, learnt=True).of_whole_model()}
    assert list(too_large(sizes, counts, models)) == [0, 5]


def test_who_was_sent_nothing_yet_is_not_held_to_changes() -> None:
    settled = {"parameters": Size((1e-4,), 0.1, learnt=True).of_whole_model()}
    begun = {"parameters": Size((0.1,), learnt=True).of_whole_model()}
    sizes = {**dict.fromkeys(range(4), settled), 4: begun}
    assert too_large(sizes, dict.fromkeys(sizes, 10), dict.fromkeys(sizes, "cnn")) == {}
    lost = {"parameters": Size((1e3,), learnt=True).of_whole_model()}
    assert list(too_large({**sizes, 4: lost}, dict.fromkeys(sizes, 10))) == [4]


def test_a_model_that_comes_new_is_held_to_the_weights_of_those_that_are_there() -> None:
    """Nobody sent its like: 30 times the middle of 0.1, 0.1, 0.2, 0.2 and its own."""
    wide, narrow = (
        {"parameters": Size((1e-3,), weights, learnt=True).of_whole_model()}
        for weights in (0.1, 0.2)
    )
    sizes = {0: wide, 1: wide, 2: narrow, 3: narrow}
    counts = dict.fromkeys(range(5), 10)
    models = dict(enumerate(["wide", "wide", "narrow", "narrow", "new"]))

    def told(rms: float) -> dict[int, str]:
        new = {"parameters": Size((rms,), learnt=True).of_whole_model()}
        return too_large({**sizes, 4: new}, counts, models)

    assert told(5.9) == {}
    (reason,) = told(6.1).values()
    assert reason.startswith(
        "parameters: expected values of 6 at most, 30 times what is typical of this round's 5 "
        "models, got values of 6.1"
    )
    # Of two models nobody can tell which is wrong.
    pair = {0: wide, 4: {"parameters": Size((50.0,), learnt=True).of_whole_model()}}
    assert too_large(pair, counts, models) == {}


def test_a_client_with_more_samples_may_go_farther_but_not_for_ever() -> None:
    one = (1.0, 1.0, 1.0, 30.0)
    assert judged(*one, learnt=True) == [3]
    assert judged(*one, learnt=True, samples=(10, 10, 10, 40)) == []
    assert judged(*one, samples=(10, 10, 10, 40)) == [3]
    assert judged(1.0, 1.0, 1.0, 81.0, learnt=True, samples=(10, 10, 10, 10**9)) == [3]


def test_a_small_change_of_what_was_sent_does_nothing() -> None:
    sizes = {n: {"x": Size((1e-6,), beside=1.0, learnt=True)} for n in range(3)}
    sizes[3] = {"x": Size((0.05,), beside=1.0, learnt=True)}
    assert too_large(sizes, dict.fromkeys(range(4), 1)) == {}


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        (Size((100.0,), learnt=True), True),
        (Size((101.0,), learnt=True), False),
        (Size((9.9,), beside=0.1, learnt=True), True),
        (Size((10.1,), beside=0.1, learnt=True), False),
        (Size((1e5,)), True),
        (Size((1e7,)), False),
        (Size(()), True),
    ],
)
def test_where_there_are_too_few_to_compare_a_wide_limit_holds(size: Size, fits: bool) -> None:
    told = too_large({0: {"x": size}, 1: {"x": Size((1.0,))}}, {0: 1, 1: 1})
    assert (0 not in told) == fits
    assert 1 not in told


def test_nobody_is_judged_where_nobody_sent() -> None:
    assert too_large({}, {}) == {}
    assert too_large({n: {"x": Size(())} for n in range(4)}, dict.fromkeys(range(4), 1)) == {}


def test_steps_that_are_alike_are_held_to_less() -> None:
    """An adapter's change times ten is out of bounds though its own was half of what is usual."""
    sizes = {n: {"adapter": Size((0.01,), 0.1, True)} for n in range(5)}
    sizes[5] = {"adapter": Size((0.051,), 0.1, True)}
    assert too_large(sizes, dict.fromkeys(sizes, 10)) == {}
    alike = {
        n: {"adapter": replace(own["adapter"], factor=ADAPTER_FACTOR)} for n, own in sizes.items()
    }
    assert list(too_large(alike, dict.fromkeys(sizes, 10))) == [5]


def test_a_client_model_of_splitfed_that_moves_too_far_is_refused_whatever_its_own_size() -> None:
    """Four times itself is much where others move by a tenth."""
    assert Size((3.9,), beside=1.0, learnt=True, slack=4.0).harmless == 4.0
    sizes = {n: {"models": Size((0.1,), 1.0, True)} for n in range(5)} | {
        5: {"models": Size((1.0,), 1.0, True)}
    }
    assert list(too_large(sizes, dict.fromkeys(sizes, 10))) == [5]


def test_classes_whose_features_are_near_zero_do_not_make_the_others_too_large() -> None:
    """Most of a table near 0, as behind a rectifier, says nothing of its largest rows."""
    near_zero = (1e-4,) * 8
    sizes = {n: {"rows": Size((*near_zero, 0.9 + n / 10, 1.1))} for n in range(4)}
    assert too_large(sizes, dict.fromkeys(sizes, 10)) == {}
    sizes[4] = {"rows": Size((*near_zero, 10.0, 11.0))}
    assert list(too_large(sizes, dict.fromkeys(sizes, 10))) == [4]


def test_of_two_clients_that_are_far_apart_neither_is_refused_and_the_journal_tells() -> None:
    # Both rows of client 3 together are 5, the root of (1 + 49) / 2.
    sizes = {3: {"rows": Size((1.0, 7.0))}, 7: {"rows": Size((1e3,))}}
    assert too_large(sizes, {3: 10, 7: 10}) == {}
    assert unsettled(sizes) == (
        "rows: client 7 sent 200 times what client 3 did; of two clients nobody can tell which "
        "is wrong, and both count"
    )
    assert unsettled({**sizes, 7: {"rows": Size((39.0,))}}) is None
    unlike = {3: "cnn", 7: "net"}
    assert unsettled({**sizes, 7: {"rows": Size((149.0,))}}, unlike) is None
    assert unsettled({**sizes, 7: {"rows": Size((151.0,))}}, unlike) is not None
    assert unsettled({**sizes, 8: {"rows": Size((1.0,))}}) is None
    assert unsettled({7: sizes[7]}) is None
