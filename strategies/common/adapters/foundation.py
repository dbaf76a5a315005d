"""A foundation model and its bottlenecks, as device and server both describe them."""

from strategies.common.adapters.adapter_set import AdapterShape
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.sites import find_sites
from strategies.common.errors import ModelError
from strategies.common.task import Foundation, Place, Task

# FedDAT's release takes rank 48 at width 768.
_REDUCTION = 16
_LEAST_RANK = 4


def bottleneck_foundation(backbone: Backbone, rank: int) -> Foundation:
    """Return what the server must know of a model with one bottleneck per block.

    Parameters
    ----------
    backbone : Backbone
        The model.
    rank : int
        Width of the bottlenecks; 0 takes a sixteenth of the widest block, at least 4.

    Raises
    ------
    ModelError
        If the model has no blocks.
    """
    sites = find_sites(backbone.module)
    widest = max(site.width for site in sites)
    chosen = rank or max(_LEAST_RANK, widest // _REDUCTION)
    places = tuple(Place(site.name, site.width, site.width) for site in sites)
    return Foundation(backbone.sha256, chosen, places)


def adapter_shape(task: Task) -> AdapterShape:
    """Return the shape of every client's adapters.

    Raises
    ------
    ModelError
        If the task has no foundation model.
    """
    foundation = foundation_of(task)
    places = foundation.places
    names, widths = tuple(p.name for p in places), tuple(p.inputs for p in places)
    return AdapterShape(names, widths, foundation.rank)


def foundation_of(task: Task) -> Foundation:
    """Return the foundation model of a task.

    Raises
    ------
    ModelError
        If it has none.
    """
    if task.foundation is None:
        raise ModelError("adapters: expected a foundation model in the task, got none")
    return task.foundation
