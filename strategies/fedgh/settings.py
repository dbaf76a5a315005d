"""Settings of FedGH: the table ``fedgh``."""

from typing import final

from strategies.common.server_lesson import ServerLessonSettings


@final
class FedGHSettings(ServerLessonSettings):
    """How the server trains the head; HtFLlib tunes to one pass in the clients' batches of 10."""
