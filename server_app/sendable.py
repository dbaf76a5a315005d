"""Whether what a server half has come to can be sent, asked before it is kept."""

from server_app.messenger import RoundInProgress
from server_app.round_context import RoundContext
from server_app.rounds import uploads_nothing
from strategies.common.errors import ModelError, WireError
from strategies.common.method import AnyServerHalf


def require_sendable(half: AnyServerHalf, context: RoundContext, wire_dtype: str) -> None:
    """Refuse a state with numbers that are finite here, and infinite once they are sent.

    In float32 they are what they are here, so that nothing is packed.

    Parameters
    ----------
    half : ServerHalf
        The method.
    context : RoundContext
        The round that was taken in, with the state and those to whom it would be sent.
    wire_dtype : str
        What floating-point numbers travel as.

    Raises
    ------
    ModelError
        Naming the field that cannot be sent.
    """
    if wire_dtype == "float32":
        return
    ongoing = RoundInProgress(context, uploads_nothing)
    for client in context.clients.values():
        try:
            ongoing.parcel(half, client, wire_dtype)
        except WireError as error:
            raise ModelError(str(error)) from None
