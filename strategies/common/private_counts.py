"""Whether a payload tells how many samples of each class its sender has."""

from typing import get_args

from strategies.common.payload import Payload, rules_of, unsent
from strategies.common.settings import Settings


def class_counts_in(kind: type[Payload] | None, settings: Settings) -> str:
    """Name a field that travels and tells class counts, and say what to set instead.

    That is one which counts samples along an axis of labels; with any others a server learns
    which classes a client has and no more.

    Parameters
    ----------
    kind : type[Payload] | None
        What clients send, if anything.
    settings : Settings
        The method's own, which some fields travel with.

    Returns
    -------
    str
        Half a sentence; empty where nothing tells.
    """
    rules = {} if kind is None else rules_of(kind)
    of_classes = {axis for rule in rules.values() if rule.is_label for axis in rule.axes}
    for name, rule in rules.items():
        if kind is None or not rule.counts_samples or not of_classes.intersection(rule.axes):
            continue
        if name in unsent(kind, settings):
            continue
        told = f"{kind.schema}.{name} tells how many samples of each class a client has"
        if rule.travels_with is None:
            return f"{told}; choose another method"
        key, value = rule.travels_with
        others = [other for other in get_args(_annotation(settings, key)) if other != value]
        wanted = " or ".join(repr(other) for other in others) or f"anything but {value!r}"
        table = kind.schema.partition(".")[0]
        return f"{told}; set {table}.{key.replace('_', '-')} to {wanted}"
    return ""


def _annotation(settings: Settings, key: str) -> object:
    return type(settings).model_fields[key].annotation
