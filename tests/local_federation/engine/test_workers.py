"""Worker processes: who answers, and what becomes of one that dies."""

import pytest

from local_federation.engine.resources import Resources
from tests.fresh_processes import FreshProcesses

# Workers fork the process that makes them, which here must be one without threads.
PREAMBLE = """
import os, signal, threading
from flwr.app import Context, Message, RecordDict
from local_federation.engine import worker
from local_federation.engine.answering import identify
from local_federation.engine.workers import Workers

identify()

def answer(message, context):
    if message.metadata.group_id == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    pid, gpus = os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "none said")
    reply = Message(RecordDict(), reply_to=message)
    reply.metadata.group_id = f"{pid} {gpus} {context.node_config['partition-id']}"
    return reply

worker.answer = answer

def message(group="live"):
    made = Message(RecordDict(), 7, "query", group_id=group)
    made.metadata.__dict__["_message_id"] = "1"
    return made

def context(partition=0):
    return Context(1, 7, {"partition-id": partition}, RecordDict(), {})
"""


def run(fresh_processes: FreshProcesses, code: str) -> list[str]:
    done = fresh_processes.run("-c", PREAMBLE + code)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_worker_answers_in_a_process_of_its_own(fresh_processes: FreshProcesses) -> None:
    code = """
with Workers(1) as workers:
    said = [workers.answer(message(), context(n))().metadata.group_id for n in (0, 5)]
    print(len({line.split()[0] for line in said}), workers.pids[0] != os.getpid())
    print(*(line.split(maxsplit=1)[1] for line in said), sep="|")
"""
    assert run(fresh_processes, code) == ["1 True", "none said 0|none said 5"]


def test_workers_do_not_look_for_garbage_in_what_was_imported(
    fresh_processes: FreshProcesses,
) -> None:
    code = """
import gc
from flwr.app import Error
def answer(message, context):
    told = f"{gc.get_freeze_count() > 10 * len(gc.get_objects())} {gc.isenabled()}"
    return Message(Error(7, told), reply_to=message)
worker.answer = answer
with Workers(1) as workers:
    print(workers.answer(message(), context())().error.reason)
"""
    assert run(fresh_processes, code) == ["True True"]


def test_a_worker_that_dies_fails_its_message_and_is_replaced(
    fresh_processes: FreshProcesses,
) -> None:
    code = """
with Workers(2) as workers:
    before = set(workers.pids)
    failed = workers.answer(message("die"), context())()
    print(failed.has_error(), failed.metadata.reply_to_message_id)
    (dead,) = before - set(workers.pids)
    print(f"worker process {dead} died" in failed.error.reason)
    print(sum(not workers.answer(message(), context())().has_error() for _ in range(4)))
"""
    assert run(fresh_processes, code) == ["True 1", "True", "4"]


def test_closing_leaves_no_process(fresh_processes: FreshProcesses) -> None:
    code = """
import time
workers = Workers(2)
pids = workers.pids
threading.Thread(target=workers.answer, args=(message(), context()), daemon=True).start()
workers.close()
def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
deadline = time.monotonic() + 5
while any(map(alive, pids)) and time.monotonic() < deadline:
    time.sleep(0.01)
print([pid for pid in pids if alive(pid)])
"""
    assert run(fresh_processes, code) == ["[]"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [(0.5, ["0", "0", "1", "1"]), (1.0, ["0", "1", "2", "3"]), (2.0, ["0,1", "2,3", "4,5", "6,7"])],
)
@pytest.mark.quick("0.5-expected0")
def test_gpus_are_dealt_in_turn(
    fresh_processes: FreshProcesses, part: float, expected: list[str]
) -> None:
    code = f"""
with Workers(4, {part}) as workers:
    own = [worker.ask(w.pipe, message(), context())() for w in workers._every.values()]
    print(*(reply.metadata.group_id.split()[1] for reply in own))
"""
    assert run(fresh_processes, code) == [" ".join(expected)]


@pytest.mark.parametrize(
    ("method", "workers", "nodes", "expected"),
    [("local", 2, 5, 2), ("local", 8, 5, 5), ("mocosfl", 2, 5, 5)],
)
def test_so_many_are_at_work_at_once(method: str, workers: int, nodes: int, expected: int) -> None:
    assert Resources(workers).at_once(method, nodes) == expected
    assert 1 <= Resources().at_once("local", 10_000) < 10_000
