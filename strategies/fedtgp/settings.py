"""Settings of FedTGP: the table ``fedtgp``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.prototype_client import PrototypeSettings
from strategies.common.server_lesson import ServerLessonSettings


@final
class FedTGPSettings(PrototypeSettings, ServerLessonSettings):
    """How the server learns prototypes, beside how clients learn and classify.

    The codes take 100 passes in the clients' own batches, at the clients' own learning rate.

    Attributes
    ----------
    largest_margin : float
        Bound of the margin (tau in eq. 7; 100 in the codes).
    margin : str
        ``"pairs"`` is the largest distance of two classes (paper), ``"nearest"`` the largest
        distance to the nearest other class (codes).
    prototypes : str
        Whose means are sent: of the ``"trained"`` model (paper), or of that ``"before"`` the round
        (codes).
    """

    largest_margin: float = Field(ge=0)
    margin: Literal["pairs", "nearest"]
    prototypes: Literal["trained", "before"]
