"""Two nodes that say they are one client: the first counts while it answers, and nobody is lost."""

from flwr.app import Error, Message, RecordDict

from server_app.answers import Answers
from server_app.roster import Roster
from tests.server_app.test_roster import Nodes, described


def heard(nodes: Nodes, *, answered: tuple[int, ...] = (), silent: tuple[int, ...] = ()) -> None:
    """Let a round end in which some nodes answered."""
    message = Message(RecordDict(), 1, "train")
    nodes.roster.take_note(
        Answers(
            dict.fromkeys(answered, message),
            dict.fromkeys(silent, "no reply within 60 s"),
            set(silent),
        )
    )


def test_an_impostor_waits_while_the_first_node_is_connected_and_answers() -> None:
    nodes = Nodes()
    nodes.join(100, described(0))
    nodes.roster.refresh()
    nodes.join(666, described(0, model="resnet4"))
    nodes.roster.refresh()
    heard(nodes, answered=(100,))
    nodes.roster.ask_again()
    nodes.roster.refresh()
    assert nodes.present == {0: 100}
    assert nodes.asked == [100, 666]
    assert nodes.roster.failures == {
        666: "node 666: client 0 (resnet4): expected one node with partition-id 0, got a second "
        "one beside node 100, which is connected and answers; give each a partition-id of its own"
    }


def test_who_waits_is_asked_again_once_the_first_has_gone() -> None:
    nodes = Nodes()
    nodes.join(666, described(0))
    nodes.roster.refresh()
    nodes.join(100, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 666}
    nodes.leave(666)
    nodes.roster.refresh()
    assert nodes.present == {0: 100}
    assert nodes.asked == [666, 100, 100]
    assert nodes.roster.failures == {666: "replaced by node 100"}


def test_a_node_that_fell_silent_is_replaced_and_comes_back_when_its_place_is_free() -> None:
    nodes = Nodes()
    nodes.join(100, described(0))
    nodes.roster.refresh()
    heard(nodes, silent=(100,))
    nodes.join(900, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 900}
    # It was only slow, and is connected all the time.
    heard(nodes, answered=(900,))
    nodes.roster.refresh()
    assert nodes.asked == [100, 900]
    nodes.leave(900)
    nodes.roster.refresh()
    assert nodes.present == {0: 100}
    assert nodes.asked == [100, 900, 100]


def test_an_error_of_the_app_is_an_answer() -> None:
    nodes = Nodes()
    nodes.join(100, described(0))
    nodes.roster.refresh()
    heard(nodes, silent=(100,))
    heard(nodes, answered=(100,))
    nodes.join(900, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 100}


def test_every_known_client_that_is_not_there_has_a_reason() -> None:
    nodes = Nodes()
    for node_id, partition in ((100, 0), (101, 1), (102, 2)):
        nodes.join(node_id, described(partition, sizes=[3, 8, 8] if partition == 2 else [1, 8, 8]))
    nodes.roster.refresh()
    nodes.roster.task()
    nodes.leave(101)
    nodes.roster.refresh()
    told = nodes.roster.absent([0, 7])
    assert list(told) == [1, 2, 7]
    assert told[1] == "client 1 (cnn): not connected when the round began"
    assert told[2].startswith("client 2 (cnn): expected 10 classes of ")
    assert told[7] == "client 7: not connected when the round began"


def test_a_client_with_far_more_samples_than_is_usual_is_refused() -> None:
    nodes = Nodes()
    for node_id, partition in ((100, 0), (101, 1)):
        nodes.join(node_id, described(partition))
    nodes.join(102, described(2, test_samples=10**9))
    nodes.roster.refresh()
    nodes.roster.task()
    assert nodes.present == {0: 100, 1: 101}
    assert nodes.roster.failures == {
        102: "client 2 (cnn): description.test_samples: expected at most 10000 times what is "
        "usual here, 10, got 1000000000"
    }
    # A latecomer is held to the same, and a large one that is not beyond all measure is welcome.
    nodes.join(103, described(3, train_samples=10**6))
    nodes.join(104, described(4, train_samples=10**5))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 101, 4: 104}


def test_a_node_with_another_number_of_clients_is_refused() -> None:
    nodes = Nodes()
    nodes.join(100, described(0))
    nodes.join(101, described(1, clients=9999))
    nodes.roster.refresh()
    nodes.roster.task()
    assert nodes.present == {0: 100}
    assert "description.clients: expected 1, got 9999" in nodes.roster.failures[101]


def test_whatever_reading_an_answer_raises_is_that_nodes_failure() -> None:
    nodes = Nodes()

    class Hostile(RecordDict):
        def get(self, *_: object) -> object:  # type: ignore[override]
            raise OverflowError("\x1b[2J" + "x" * 10_000)

    nodes.join(100, described(0))
    nodes.roster.refresh()
    message = Message(RecordDict(), 101, "query")
    message.content = Hostile()
    nodes.roster._register(101, message)
    told = nodes.roster.failures[101]
    assert told.startswith("node 101: expected a readable answer, got one with OverflowError: ")
    assert told.isprintable()
    assert len(told) < 400


def test_each_answer_is_counted() -> None:
    nodes = Nodes()
    nodes.join(100, described(0))
    nodes.join(101, Error(2, "no"))
    nodes.join(102, None)
    nodes.roster.refresh()
    assert isinstance(nodes.roster, Roster)
    assert nodes.roster.heard == 2
