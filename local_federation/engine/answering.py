"""What a simulated node does with a message: the same as a device's ClientApp."""

from bdb import BdbQuit

from flwr.app import Context, Error, Message
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.supercore.task_identity import TaskIdentity

import client_app.main

# Flower's code for a ClientApp that raised.
_CLIENT_RAISED = 2


def answer(message: Message, context: Context) -> Message:
    """Hand a copy of a message to the ClientApp; what it raises becomes an error reply.

    Contents are serialised and read back on the way, so that halves in one process share no
    tensor and what could not travel fails here too.

    Raises
    ------
    bdb.BdbQuit
        If someone left a debugger in the middle of it, which is to end the run.
    """
    content = recorddict_from_proto(recorddict_to_proto(message.content))
    # Flower declares other ways only, but takes this one.
    arrived = Message(content, metadata=message.metadata)  # type: ignore[call-overload]
    try:
        reply = client_app.main.app(arrived, context)
    except Exception as error:  # whatever a method raises is this client's failure
        if _left_the_debugger(error):
            raise BdbQuit from error
        return Message(Error(_CLIENT_RAISED, f"{type(error)}:<'{error}'>"), reply_to=message)
    sent = recorddict_from_proto(recorddict_to_proto(reply.content))
    return Message(sent, reply_to=message)


def identify() -> None:
    """Say what Flower's apps ask for of the task that they are part of."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1


def _left_the_debugger(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, BdbQuit):
        error = error.__cause__ or error.__context__
    return error is not None
