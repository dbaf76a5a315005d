"""Settings of FD: the table ``fd``."""

from typing import Literal, final

from strategies.common.soft_targets import SoftTargetSettings


@final
class FDSettings(SoftTargetSettings):
    """How FD averages outputs, beside how strongly it distils (gamma, without a value there).

    Attributes
    ----------
    time_weighting : str
        ``"equal"`` averages the outputs of all steps of a round alike; ``"linear"`` by the number
        of the step, since later ones come of a better model (section 5 of the paper).
    """

    time_weighting: Literal["equal", "linear"]
