"""Who is there: clients are known by their partition, whatever Flower calls their node."""

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from server_app.answers import Answers
from server_app.roster import MAX_DESCRIPTION_BYTES, Roster
from strategies.common.inputs import Images, Tokens, Windows
from strategies.common.task import Task
from strategies.common.transport.control import Description, Order
from strategies.common.transport.envelope import read_control_record, to_record_dict
from tests.server_app.scripted_grid import Answer, ScriptedGrid


def described(partition: int, **changes: object) -> RecordDict:
    values: dict[str, object] = {
        "partition": partition,
        "num_partitions": 3,
        "model": "cnn",
        "num_classes": 10,
        "inputs": "images",
        "sizes": [1, 8, 8],
        "feature_dim": 16,
        "foundation": "",
        "rank": 0,
        "places": [],
        "class_names": [],
        "train_samples": 30,
        "test_samples": 10,
        "train_counts": [],
        "test_counts": [],
        "clients": 1,
        "figures": {},
        "notes": [],
    }
    return to_record_dict(Description.model_validate(values | changes), None)


SIZE = "give it the others' data, or set image-size"
CHANNELS = (
    "some devices' images are all grey, others' are not: set channels=3 to read all in colour or "
    "channels=1 to read all in grey"
)
CLASSES = (
    "all devices need the same classes in the same order: make an empty folder, or a line in "
    "classes.txt, for each class that a device has no images of, or no rows of in its own table "
    "(NAME.classes.txt beside NAME.csv)"
)


class Nodes:
    """Nodes by id, with what each answers when it is asked."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self.grid = ScriptedGrid(answer=self.answers.get)
        self.roster = Roster(self.grid, "run-1")

    def join(self, node_id: int, answer: Answer | None) -> None:
        if answer is not None:
            self.answers[node_id] = answer
        self.grid.online.append(node_id)

    def leave(self, node_id: int) -> None:
        self.grid.online.remove(node_id)

    @property
    def asked(self) -> list[int]:
        return [message.metadata.dst_node_id for message in self.grid.pushed]

    @property
    def present(self) -> dict[int, int]:
        return {partition: c.node_id for partition, c in self.roster.clients().items()}


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


def test_clients_are_known_by_their_partition(nodes: Nodes) -> None:
    for node_id, partition in ((77, 2), (9, 0), (500, 1)):
        nodes.join(node_id, described(partition))
    nodes.roster.refresh()
    assert nodes.present == {0: 9, 1: 500, 2: 77}
    assert list(nodes.roster.clients()) == [0, 1, 2]
    assert nodes.roster.clients()[2].label == "client 2 (cnn)"


def test_a_node_is_asked_once_and_told_the_run(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.join(101, None)
    for _ in range(3):
        nodes.roster.refresh()
    nodes.join(102, described(2))
    nodes.roster.refresh()
    assert nodes.asked == [100, 101, 102]
    assert {message.metadata.message_type for message in nodes.grid.pushed} == {"query"}
    order = read_control_record(nodes.grid.pushed[0].content, Order, sender="server")
    assert order == Order(run="run-1", round_number=0, continue_from=0)


def test_a_late_answer_is_taken_in_when_it_comes(nodes: Nodes) -> None:
    nodes.join(100, None)
    nodes.roster.refresh()
    assert nodes.present == {}
    assert nodes.roster.undecided(60.0)
    assert not nodes.roster.undecided(0.0)
    nodes.grid.reply(0, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 100}
    assert not nodes.roster.undecided(60.0)


def test_a_client_that_is_offline_is_no_client_and_is_asked_again_when_it_is_back(
    nodes: Nodes,
) -> None:
    """A device with a key keeps its id, and may have been given other data meanwhile."""
    nodes.join(100, described(0))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    nodes.leave(100)
    nodes.roster.refresh()
    assert nodes.present == {1: 101}
    nodes.join(100, described(0, train_samples=600))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 101}
    assert nodes.asked == [100, 101, 100]
    assert nodes.roster.clients()[0].description.train_samples == 600


@pytest.mark.parametrize("away", [True, False])
def test_a_node_that_comes_back_as_another_client_is_refused_by_name(
    nodes: Nodes, away: bool
) -> None:
    nodes.join(100, described(0))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    nodes.leave(100)
    if away:
        nodes.roster.refresh()
    else:  # it was started again so fast that nobody saw it go
        nodes.roster.doubt(100)
    nodes.join(100, described(1))
    nodes.roster.refresh()
    assert nodes.present == {1: 101}
    assert "expected one node with partition-id 1, got a second one" in nodes.roster.failures[100]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"partition": 1}, "client 0 (cnn): description.partition: expected 0, got 1"),
        ({"feature_dim": 17}, "expected features of width 16, got 17"),
    ],
)
def test_what_a_client_says_anew_and_cannot_be_is_told(
    nodes: Nodes, changes: dict[str, int], reason: str
) -> None:
    nodes.join(100, described(0))
    nodes.join(101, described(2))
    nodes.roster.refresh()
    nodes.roster.task()
    client = nodes.roster.clients()[0]
    told = described(changes.pop("partition", 0), **changes)
    answer = Message(told, reply_to=nodes.grid.pushed[0])
    assert reason in str(nodes.roster.renew(client, answer))


def test_a_node_that_left_before_it_answered_holds_nobody_up(nodes: Nodes) -> None:
    nodes.join(100, None)
    nodes.roster.refresh()
    nodes.leave(100)
    nodes.roster.refresh()
    assert not nodes.roster.undecided(60.0)


def test_a_restarted_device_takes_over_its_partition(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    # Flower still calls node 100 online for a while; the device is back as node 900.
    nodes.join(900, described(0, model="resnet4"))
    nodes.roster.take_note(Answers(failures={100: "no reply within 60 s"}, silent={100}))
    nodes.roster.refresh()
    assert nodes.present == {0: 900, 1: 101}
    assert nodes.roster.clients()[0].label == "client 0 (resnet4)"
    assert nodes.roster.failures == {100: "replaced by node 900"}
    # A second chance for nodes that failed is none for an id that is dead.
    nodes.roster.ask_again()
    nodes.roster.refresh()
    assert nodes.asked == [100, 101, 900]
    assert nodes.present == {0: 900, 1: 101}


def test_a_refused_node_that_was_mended_and_comes_back_under_its_own_key_is_asked_again(
    nodes: Nodes,
) -> None:
    """Before the first round as well, while others are waited for."""
    nodes.join(100, Error(2, "<class 'DataError'>:<'no such folder'>"))
    nodes.join(900, described(1))
    nodes.roster.refresh()
    assert "no such folder" in nodes.roster.failures[100]
    nodes.leave(100)
    nodes.roster.refresh()
    nodes.join(100, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 900}
    assert not nodes.roster.failures
    # So is one that was given another partition than the one which somebody else is.
    nodes.join(101, described(1))
    nodes.roster.refresh()
    assert nodes.roster.all_answered() == 2
    nodes.leave(101)
    nodes.roster.refresh()
    nodes.join(101, described(2))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 900, 2: 101}


def test_a_client_does_not_describe_another_architecture_for_ever(nodes: Nodes) -> None:
    """A server that keeps a mean of each would keep more and more."""
    nodes.join(101, described(1))
    for number in range(4):
        nodes.join(100, described(0, architecture=f"{number:x}" * 64, parameters=500))
        nodes.roster.refresh()
        nodes.roster.task()
        trained = Message(RecordDict(), reply_to=nodes.grid.pushed[0])
        nodes.roster.take_note(Answers(replies=dict.fromkeys(nodes.present.values(), trained)))
        assert nodes.present == {0: 100, 1: 101} if number < 3 else {1: 101}
        nodes.leave(100)
        nodes.roster.refresh()
    assert nodes.roster.failures[100].startswith(
        "client 0 (cnn): description.architecture: expected one of the 3 with which"
    )
    # One of those it may be.
    nodes.join(100, described(0, architecture="2" * 64, parameters=500))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 101}


def test_a_dead_id_is_not_counted_as_a_node_that_answered(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.join(900, described(0))
    nodes.roster.refresh()
    assert nodes.roster.all_answered() == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (RecordDict(), "node 100: expected a record description, got none"),
        (RecordDict({"report": ConfigRecord({})}), "expected a record description, got report"),
        (RecordDict({"description": ConfigRecord({"partition": 0})}), "description.num_partitions"),
        (
            RecordDict({"description": ConfigRecord({"x": "y" * (MAX_DESCRIPTION_BYTES + 1)})}),
            f"expected at most {MAX_DESCRIPTION_BYTES} bytes",
        ),
        (
            Error(2, "<class 'strategies.common.errors.DataError'>:<'digits: too few'>"),
            "node 100: DataError: digits: too few",
        ),
    ],
)
def test_a_malformed_description_is_a_failure_with_its_reason(
    nodes: Nodes, answer: Answer, told: str
) -> None:
    nodes.join(100, answer)
    nodes.join(101, described(1))
    nodes.roster.refresh()
    assert nodes.present == {1: 101}
    assert list(nodes.roster.failures) == [100]
    assert told in nodes.roster.failures[100]
    assert nodes.roster.all_answered() == 2
    nodes.roster.refresh()
    assert nodes.asked == [100, 101]


def test_a_node_that_went_away_before_it_answered_is_asked_when_it_is_back(nodes: Nodes) -> None:
    nodes.join(100, Error(5))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    nodes.leave(100)
    nodes.roster.refresh()
    # Enough nodes that answered of which one cannot take part would end the run at once.
    assert nodes.roster.failures == {}
    assert nodes.roster.all_answered() == 1
    nodes.join(100, described(0))
    nodes.roster.refresh()
    assert nodes.asked == [100, 101, 100]
    assert nodes.present == {0: 100, 1: 101}


def test_a_node_that_failed_may_be_asked_again_and_holds_nobody_up_meanwhile(nodes: Nodes) -> None:
    nodes.join(100, Error(2, "busy"))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    del nodes.answers[100]
    nodes.roster.ask_again()
    nodes.roster.refresh()
    assert nodes.asked == [100, 101, 100]
    assert not nodes.roster.undecided(60.0)
    assert nodes.roster.all_answered() == 0
    nodes.grid.reply(2, described(0))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 101}
    assert nodes.roster.failures == {}


def test_nothing_is_final_while_a_node_has_not_answered(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.join(101, None)
    nodes.roster.refresh()
    assert nodes.roster.all_answered() == 0
    nodes.grid.reply(1, Error(2, "no"))
    nodes.roster.refresh()
    assert nodes.roster.all_answered() == 2


def test_the_task_is_what_clients_share(nodes: Nodes) -> None:
    for node_id, partition in ((100, 0), (101, 1)):
        nodes.join(node_id, described(partition))
    nodes.roster.refresh()
    assert nodes.roster.task() == Task(10, Images(1, 8, 8), 16)
    assert nodes.roster.failures == {}


def test_where_feature_widths_differ_the_task_has_none(nodes: Nodes) -> None:
    nodes.join(100, described(0, feature_dim=16))
    nodes.join(101, described(1, feature_dim=32))
    nodes.roster.refresh()
    assert nodes.roster.task() == Task(10, Images(1, 8, 8), 0)
    assert nodes.present == {0: 100, 1: 101}
    # A latecomer may then have any width.
    nodes.join(102, described(2, feature_dim=64))
    nodes.roster.refresh()
    assert nodes.present == {0: 100, 1: 101, 2: 102}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_classes": 7}, f"got 7 classes of {Images(1, 8, 8)}; {CLASSES}"),
        ({"sizes": [3, 8, 8]}, f"got 10 classes of {Images(3, 8, 8)}; {CHANNELS}"),
        ({"sizes": [1, 32, 28]}, f"got 10 classes of {Images(1, 32, 28)}; {SIZE}"),
        ({"inputs": "windows", "sizes": [1, 8]}, f"got 10 classes of {Windows(1, 8)}; {SIZE}"),
        ({"inputs": "tokens", "sizes": [8, 64]}, f"got 10 classes of {Tokens(8, 64)}; {SIZE}"),
    ],
)
def test_a_client_of_another_task_is_refused_by_the_majority(
    nodes: Nodes, changes: dict[str, object], told: str
) -> None:
    nodes.join(100, described(0, **changes, feature_dim=64))
    nodes.join(101, described(1))
    nodes.join(102, described(2))
    nodes.roster.refresh()
    # The stranger's feature width does not count either.
    assert nodes.roster.task() == Task(10, Images(1, 8, 8), 16)
    assert nodes.present == {1: 101, 2: 102}
    assert nodes.roster.failures == {
        100: f"client 0 (cnn): expected 10 classes of {Images(1, 8, 8)}, {told}"
    }


def test_the_task_is_fixed_once_and_latecomers_are_held_to_it(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.roster.refresh()
    task = nodes.roster.task()
    nodes.join(101, described(1, sizes=[1, 32, 8]))
    nodes.join(102, described(2, sizes=[1, 32, 8]))
    nodes.join(103, described(3, feature_dim=8))
    nodes.roster.refresh()
    assert nodes.roster.task() == task
    assert nodes.present == {0: 100}
    assert set(nodes.roster.failures) == {101, 102, 103}
    assert nodes.roster.failures[103] == (
        "client 3 (cnn): expected features of width 16, got 8; set feature-dim"
    )


def test_a_resumed_run_holds_all_clients_to_its_task(nodes: Nodes) -> None:
    task = Task(10, Images(1, 8, 8), 16)
    nodes.roster.fix_task(task)
    nodes.join(100, described(0, num_classes=2))
    nodes.join(101, described(1))
    nodes.roster.refresh()
    assert nodes.roster.task() == task
    assert nodes.present == {1: 101}


def test_a_tie_between_tasks_does_not_depend_on_who_came_first() -> None:
    tasks = []
    for first, second in ((100, 101), (101, 100)):
        nodes = Nodes()
        for node_id in (first, second):
            nodes.join(node_id, described(node_id - 100, sizes=[1, 8 * (node_id - 99), 8]))
            nodes.roster.refresh()
        tasks.append(nodes.roster.task())
    assert tasks[0] == tasks[1]


def test_what_clients_note_is_logged_once_with_all_who_note_it(
    nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    from logging import WARNING

    for partition in range(12):
        own = ["only mine"] if partition == 3 else []
        nodes.join(100 + partition, described(partition, notes=["7 left out", *own]))
    nodes.join(200, None)
    with caplog.at_level(WARNING, logger="flwr"):
        nodes.roster.refresh()
        nodes.grid.reply(12, described(12, notes=["7 left out"]))
        nodes.roster.refresh()
        nodes.roster.refresh()
    assert [r.getMessage() for r in caplog.records if "takes over" not in r.getMessage()] == [
        "clients 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more: 7 left out",
        "client 3: only mine",
        "client 12: 7 left out",
    ]


def test_nodes_that_are_no_client_which_is_known_are_told_of(nodes: Nodes) -> None:
    nodes.join(100, described(0))
    nodes.join(101, Error(2, "no data"))
    spoilt = described(2)
    spoilt["description"] = ConfigRecord({**spoilt.config_records["description"], "clients": 2**62})
    nodes.join(102, spoilt)
    nodes.join(103, described(0))
    nodes.roster.refresh()
    first, second, third = nodes.roster.strangers()
    assert first == "node 101: no data"
    assert second.startswith("node 102: description.clients: ")
    assert third.startswith("node 103: client 0 (cnn): expected one node with partition-id 0, got")
    nodes.leave(102)
    nodes.roster.refresh()
    assert len(nodes.roster.strangers()) == 2
