"""The server's own model, which learns of open samples alone, and what of it travels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from strategies.common.errors import LOWER_RATES, ModelError, WireError
from strategies.common.message import OWN
from strategies.common.model import FeatureModel
from strategies.common.open_answers import OpenConsensus
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.wire import as_sent

# Name of its accuracy, on the clients' test samples.
SCORE: Final = "server_model"
# Name of its loss.
LOSS: Final = "server_distillation"

_MODELS: Final = {
    OWN: "the client's, which learnt its own labels last",
    SCORE: "the server's, which learnt of open samples alone",
}
_AGREEMENT: Final = Measured(
    "Open samples on which a client agrees with all",
    {"agreement": "agreement"},
    "Good: rising, and near 1.",
    share=True,
)
_LOSS: Final = Measured(
    "Distance of the server's own model from what all said",
    {LOSS: "mean over the round's passes"},
    "Good: falling; a cross-entropy cannot come below the entropy of what was said.",
)


def presented(stated: Presentation, settings: Mapping[str, Setting]) -> Presentation:
    """Return what a method states, with the agreement, and which models are tested.

    Parameters
    ----------
    stated : Presentation
        What the method measures beside them.
    settings : Mapping[str, Setting]
        The method's own table.
    """
    if not settings.get("server-model"):
        return replace(stated, measured=(*stated.measured, _AGREEMENT))
    measured = (*stated.measured, _LOSS, _AGREEMENT)
    return replace(stated, measured=measured, models=_MODELS, headline=(OWN,))


def require_sendable(model: FeatureModel, method: str, wire_dtype: str) -> None:
    """Refuse a model of the server's that no message could carry.

    Raises
    ------
    ModelError
        Naming what travels, and what to do.
    """
    if all(bool(as_sent(own, wire_dtype).isfinite().all()) for own in numbers_of(model)):
        return
    raise ModelError(
        f"{method}: server-model: expected finite {wire_dtype} values to send, got NaN or infinity "
        f"after its lesson; {LOWER_RATES}, or set wire-dtype=float32"
    )


def received(told: OpenConsensus, like: FeatureModel) -> FeatureModel | None:
    """Return the server's model where it came down with what all said.

    Parameters
    ----------
    told : OpenConsensus
        What came down.
    like : FeatureModel
        Of the same architecture; takes its weights.

    Raises
    ------
    WireError
        If it is another one.
    """
    if told.parameters is None or told.statistics is None or not len(told.parameters):
        return None
    expected = [len(numbers) for numbers in numbers_of(like)]
    got = [len(told.parameters), len(told.statistics)]
    if got != expected:
        raise WireError(
            f"server: {told.schema}: expected a model of {expected[0]} parameters and "
            f"{expected[1]} statistics, as the setting server-model names it, got {got[0]} and "
            f"{got[1]}; run the same version on all machines"
        )
    return put_numbers(like, told.parameters, told.statistics)
