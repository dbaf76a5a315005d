"""The grid within one process: what is asked, answered and still on its way."""

import threading
import time
from collections.abc import Callable

import pytest
from flwr.app import Context, Message, RecordDict

from local_federation.engine.answering import identify
from local_federation.engine.grid import EngineGrid


@pytest.fixture(autouse=True)
def _identity() -> None:
    identify()


def message(node: int) -> Message:
    return Message(RecordDict(), node, "query", group_id="1")


def echo(asked: Message, context: Context) -> Callable[[], Message]:
    reply = Message(RecordDict(), reply_to=asked)
    config = context.node_config
    reply.metadata.group_id = f"{config['partition-id']} of {config['num-partitions']}"
    return lambda: reply


def test_every_node_answers_for_its_partition() -> None:
    grid = EngineGrid({"rounds": 1}, 3, echo, at_once=2)
    assert list(grid.get_node_ids()) == [1, 2, 3]
    replies = list(grid.send_and_receive([message(node) for node in (1, 2, 3)]))
    assert [reply.metadata.group_id for reply in replies] == ["0 of 3", "1 of 3", "2 of 3"]
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]
    grid.close()


def test_a_reply_is_handed_over_once_and_only_when_it_is_there() -> None:
    gate = threading.Event()

    def late(asked: Message, context: Context) -> Callable[[], Message]:
        if asked.metadata.dst_node_id == 2:
            assert gate.wait(10)
        return echo(asked, context)

    grid = EngineGrid({}, 2, late, at_once=2)
    ids = list(grid.push_messages([message(1), message(2)]))
    got: list[Message] = []
    while not got:
        got += grid.pull_messages(ids)
    assert [reply.metadata.reply_to_message_id for reply in got] == ids[:1]
    gate.set()
    while len(got) < 2:
        got += grid.pull_messages(ids)
    assert list(grid.pull_messages(ids)) == []
    assert list(grid.pull_messages(["unknown"])) == []
    grid.close()


def test_who_took_longest_begins_and_replies_keep_their_order() -> None:
    begun: list[int] = []
    lasting = {1: 0.0, 2: 0.03, 3: 0.01}

    def busy(asked: Message, context: Context) -> Callable[[], Message]:
        begun.append(asked.metadata.dst_node_id)
        time.sleep(lasting[asked.metadata.dst_node_id])
        return echo(asked, context)

    grid = EngineGrid({}, 3, busy, at_once=1)
    for _ in range(2):
        replies = list(grid.send_and_receive([message(node) for node in (1, 2, 3)]))
        assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]
    assert begun == [1, 2, 3, 2, 3, 1]
    grid.close()


def test_the_thread_that_sends_may_answer_and_what_it_raises_comes_out() -> None:
    seen: list[threading.Thread] = []

    def noted(asked: Message, context: Context) -> Callable[[], Message]:
        seen.append(threading.current_thread())
        if asked.metadata.dst_node_id == 2:
            raise KeyboardInterrupt
        return echo(asked, context)

    grid = EngineGrid({}, 2, noted, at_once=0)
    (key,) = grid.push_messages([message(1)])
    assert [reply.metadata.reply_to_message_id for reply in grid.pull_messages([key])] == [key]
    with pytest.raises(KeyboardInterrupt):
        grid.push_messages([message(2)])
    assert seen == [threading.current_thread()] * 2
    grid.close()


def test_a_wait_has_an_end() -> None:
    gate = threading.Event()

    def never(asked: Message, context: Context) -> Callable[[], Message]:
        gate.wait(10)
        return echo(asked, context)

    grid = EngineGrid({}, 1, never, at_once=1)
    assert list(grid.send_and_receive([message(1)], timeout=0.05)) == []
    gate.set()
    grid.close()


def test_what_belongs_to_a_superlink_is_not_there() -> None:
    grid = EngineGrid({}, 1, echo, at_once=1)
    with pytest.raises(NotImplementedError, match="run's config alone"):
        _ = grid.run
    with pytest.raises(NotImplementedError, match="create_message"):
        grid.create_message()
    grid.close()


def test_who_waits_for_replies_goes_on_as_soon_as_all_are_there() -> None:
    gate = threading.Event()

    def late(asked: Message, context: Context) -> Callable[[], Message]:
        assert gate.wait(10)
        return echo(asked, context)

    grid = EngineGrid({}, 2, late, at_once=2)
    ids = list(grid.push_messages([message(1), message(2)]))
    grid.wait_for_replies(ids, 0.01)
    assert list(grid.pull_messages(ids)) == []
    threading.Timer(0.05, gate.set).start()
    grid.wait_for_replies([*ids, "unknown"], 10)
    assert len(list(grid.pull_messages(ids))) == 2
    grid.close()


def test_a_node_is_at_the_next_message_while_a_reply_is_read() -> None:
    begun = threading.Event()

    def first_read_late(asked: Message, context: Context) -> Callable[[], Message]:
        read = echo(asked, context)
        if asked.metadata.dst_node_id == 2:
            begun.set()
            return read
        return lambda: read() if begun.wait(10) else echo(asked, context)()

    grid = EngineGrid({}, 2, first_read_late, at_once=1)
    assert len(list(grid.send_and_receive([message(1), message(2)], timeout=5))) == 2
    grid.close()


def test_what_reading_a_reply_raises_reaches_whoever_waits() -> None:
    def unreadable(asked: Message, context: Context) -> Callable[[], Message]:
        def read() -> Message:
            raise ValueError(asked.metadata.dst_node_id)

        return read

    grid = EngineGrid({}, 1, unreadable, at_once=1)
    with pytest.raises(ValueError, match="1"):
        list(grid.send_and_receive([message(1)], timeout=5))
    grid.close()
