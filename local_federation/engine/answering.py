"""What a simulated node does with a message: the same as a device's ClientApp."""

from bdb import BdbQuit

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.supercore.task_identity import TaskIdentity

import client_app.main

# Flower's code for a ClientApp that raised.
CLIENT_RAISED = 2


def answer(message: Message, context: Context) -> Message:
    """Hand a message to the ClientApp; what it raises becomes an error reply.

    Raises
    ------
    bdb.BdbQuit
        If someone left a debugger in the middle of it, which is to end the run.
    """
    try:
        return client_app.main.app(message, context)
    except Exception as error:  # whatever a method raises is this client's failure
        if _left_the_debugger(error):
            raise BdbQuit from error
        return Message(Error(CLIENT_RAISED, f"{type(error)}:<'{error}'>"), reply_to=message)


def answer_copied(message: Message, context: Context) -> Message:
    """Do the same where server and client are in one process.

    Contents are serialised and read back on the way, so that halves share no tensor and what
    could not travel fails here too.
    """
    # Flower declares other ways only, but takes this one.
    arrived = Message(_copied(message.content), metadata=message.metadata)  # type: ignore[call-overload]
    reply = answer(arrived, context)
    return reply if reply.has_error() else Message(_copied(reply.content), reply_to=message)


def _copied(content: RecordDict) -> RecordDict:
    return recorddict_from_proto(recorddict_to_proto(content))


def identify() -> None:
    """Say what Flower's apps ask for of the task that they are part of."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1


def _left_the_debugger(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, BdbQuit):
        error = error.__cause__ or error.__context__
    return error is not None
