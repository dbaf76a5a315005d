"""A message that an app is stopped at: its node must not wait for the answer for ever.

A SuperNode that gave a message to an app goes on when there is an answer, or when the app has not
been heard of for a minute. An app that is told to stop, or whose SuperExec has gone, says in
leaving that its task is over, and does not answer: from then on the node hears of no death, and
waits until somebody starts it again.
"""

import importlib
from contextlib import suppress
from typing import Any

_FLOWER = "flwr.supernode.runtime.run_clientapp"
_STOPPED = "the app was stopped before it had answered"


def answer_what_is_left() -> None:
    """Let the app of this process answer, when it leaves, what it has taken and not answered.

    The answer is the one that its node gives for an app that was killed. An app that has taken
    nothing leaves without a word, and its node starts another for the message. Where Flower has
    other functions, all stays as it is.
    """
    try:
        flower: Any = importlib.import_module(_FLOWER)
        pull, push, tell = flower.pull_task_input, flower.push_message, flower.push_task_output
        crashed = flower.Error(flower.ErrorCode.CLIENT_APP_CRASHED, _STOPPED)
    except (ImportError, AttributeError):
        return
    taken: list[Any] = []
    left: list[Any] = []

    def pulled(client: Any) -> Any:
        found = pull(client)
        taken.append(found)
        left.append(found)
        return found

    def pushed(client: Any, message: Any, context: Any) -> None:
        left.clear()
        push(client, message, context)

    def told(**said: Any) -> None:
        if not taken:
            return
        for message, context, *_ in left:
            with suppress(Exception):
                push(said["client"], flower.Message(crashed, reply_to=message), context)
        tell(**said)

    flower.pull_task_input, flower.push_message, flower.push_task_output = pulled, pushed, told
