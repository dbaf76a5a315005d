"""What a node needs to take part in one session; it travels with the round's order."""

from typing import Self, final

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from strategies.common.split.plan import Plan, SurveyPlan, TrainingPlan
from strategies.common.transport.control import Control
from strategies.common.transport.ranges import Count


@final
class Invitation(Control):
    """Where to exchange activations, with what right, and what is to be exchanged.

    Attributes
    ----------
    address : str
        ``host:port`` to dial.
    certificate : bytes
        PEM of the certificate that the server shows; nothing else is trusted.
    token : bytes
        Secret of this node in this session.
    partition : int
        The node that is invited.
    first_step, steps, batch : int
        The plan's; a survey takes no steps.
    pool : list[int]
        Logical clients of the session, ascending.
    cohorts : list[int]
        Cohort of each of them, counted from 0.
    step_deadline_s, connect_deadline_s : float
        The server's own deadlines; a device waits a little longer.
    """

    address: str = Field(min_length=3, max_length=300)
    certificate: bytes = Field(max_length=65_536)
    token: bytes = Field(min_length=16, max_length=64)
    partition: Count
    first_step: int = Field(ge=1)
    steps: Count
    batch: int = Field(ge=1)
    pool: list[Count]
    cohorts: list[Count]
    step_deadline_s: float = Field(gt=0)
    connect_deadline_s: float = Field(gt=0)

    @model_validator(mode="after")
    def _every_client_has_a_cohort(self) -> Self:
        if len(self.cohorts) != len(self.pool) or any(c >= len(self.pool) for c in self.cohorts):
            raise PydanticCustomError(
                "cohorts", "Input should name one cohort, below their number, for each client"
            )
        return self

    def plan(self) -> Plan:
        """Return the session's plan."""
        if not self.steps:
            return SurveyPlan(tuple(self.pool))
        count = max(self.cohorts, default=-1) + 1
        members: list[list[int]] = [[] for _ in range(count)]
        for client, cohort in zip(self.pool, self.cohorts, strict=True):
            members[cohort].append(client)
        cohorts = tuple(tuple(sorted(own)) for own in members)
        return TrainingPlan(self.first_step, self.steps, self.batch, cohorts)
