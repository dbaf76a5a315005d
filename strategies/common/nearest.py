"""A test by the nearest prototype: what stands for a class, and which classes compete."""

from collections.abc import Mapping
from typing import Final, Literal

from strategies.common.class_means import class_means
from strategies.common.class_table import ClassTable, Rows
from strategies.common.classifiers import PrototypeClassifier
from strategies.common.device import Device
from strategies.common.model import FeatureModel
from strategies.common.presentation import Setting

# Classes among which a client chooses: those that it trains on, or all that have a prototype.
TestClasses = Literal["own", "all"]

_AMONG: Final[Mapping[str, str]] = {
    "own": "the nearest prototype among the client's own classes",
    "all": "the nearest prototype among all classes",
}
# A run without the setting was tested before aggregation.
_BEFORE: Final = "the nearest prototype of the round before, in round 1 of the client's own"


def nearest_prototype(
    device: Device, model: FeatureModel, sent: Rows | None, test_classes: TestClasses
) -> PrototypeClassifier:
    """Return what classifies by the prototype that lies nearest to a sample's features.

    A class that the client trains on and nobody sent has the client's own mean: what the mean
    over its holders would be, had the client taken part.

    Parameters
    ----------
    device : Device
        Gives the samples.
    model : FeatureModel
        The client's own.
    sent : Rows | None
        The federation's prototypes; ``None`` where there are none.
    test_classes : str
        ``"own"`` or ``"all"``. A test sample of a class that does not compete is wrong.
    """
    held = device.train.labels
    table = ClassTable.of_features(device, sent)
    if not table.knows(held):
        table = ClassTable.of_features(device, class_means(device, model)).overlaid(sent)
    if test_classes == "own":
        table = table.among(held)
    return PrototypeClassifier.of(model, table)


def classified_by(settings: Mapping[str, Setting]) -> str:
    """Say what picks a class in such a test, for reports.

    Parameters
    ----------
    settings : Mapping[str, Setting]
        A method's table with ``inference`` and ``test-classes``, as a run's folder has it; empty
        if the model's head classifies.
    """
    if settings.get("inference") == "head":
        return ""
    return _AMONG.get(str(settings.get("test-classes")), _BEFORE)
