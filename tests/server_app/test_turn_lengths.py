"""How long a node may be silent follows from its own last turn."""

from server_app.turn_lengths import TurnLengths


def test_patience_grows_with_a_nodes_last_turn_of_the_kind() -> None:
    turns = TurnLengths()
    turns.take("train", {100: 400.0, 101: 3.0})
    assert turns.patience_s("train", 100) == 800.0
    assert [turns.patience_s(*asked) for asked in (("train", 101), ("evaluate", 100))] == [60.0] * 2
    turns.take("train", {100: 10.0})
    assert turns.patience_s("train", 100) == 60.0
