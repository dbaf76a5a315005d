"""Settings of LG-FedAvg: the table ``lgfedavg``."""

from typing import final

from strategies.common.tested_mean import TestedMeanSettings


@final
class LGFedAvgSettings(TestedMeanSettings):
    """Which head is tested."""
