"""Refusing uploads that are far larger than the round's others, before anything is averaged."""

from logging import WARNING

from flwr.common.logger import log

from server_app.messenger import RoundInProgress
from strategies.common.magnitudes import too_large, unsettled
from strategies.common.method import AnyAggregatingHalf
from strategies.common.split.halves import AnySplitServerHalf


def refuse_large(ongoing: RoundInProgress, half: AnyAggregatingHalf | AnySplitServerHalf) -> None:
    """Count clients whose upload is too large as failed, each with its reason.

    Parameters
    ----------
    ongoing : RoundInProgress
        The round, with all replies in; those that are refused leave it.
    half : AggregatingServerHalf | SplitServerHalf
        States how large an upload is.

    Nodes that a session left out are refused as well.
    """
    for partition, reason in ongoing.session.refused.items() if ongoing.session else ():
        _refuse(ongoing, partition, reason)
    replies = dict(sorted(ongoing.replies.items()))
    sizes = {p: half.magnitudes(ongoing.context.state, r) for p, r in replies.items()}
    samples = {partition: reply.samples for partition, reply in replies.items()}
    nodes = ongoing.record.nodes
    models = {p: nodes[p].client.description.model for p in replies if p in nodes}
    for partition, reason in too_large(sizes, samples, models).items():
        _refuse(ongoing, partition, f"{replies.pop(partition).uplink.schema}.{reason}")
    if replies and (doubt := unsettled({p: sizes[p] for p in replies}, models)):
        ongoing.record.notes.append(f"{next(iter(replies.values())).uplink.schema}.{doubt}")


def _refuse(ongoing: RoundInProgress, partition: int, reason: str) -> None:
    record = ongoing.record
    if partition in record.nodes:
        label = record.nodes[partition].client.label
        ongoing.refuse(partition, f"{label}: {reason}; it takes no part in this round")
        log(WARNING, "round %d: failed: %s", record.round_number, record.failures[partition])
