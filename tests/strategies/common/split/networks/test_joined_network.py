"""Both parts of a split network as one."""

import pytest
import torch

from strategies.common.errors import StoreError
from strategies.common.inputs import Images
from strategies.common.run_config import default_config, read_table
from strategies.common.split.networks import joined
from strategies.common.split.networks.of_run import whole_network
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

TASK = Task(3, Images(1, 8, 8), 0)


def split(**changes: object) -> SplitSettings:
    config = {**default_config(), "split.width": 4, "split.cut": 1}
    return read_table({**config, **changes}, "split", SplitSettings)  # type: ignore[dict-item]


@pytest.mark.parametrize("classifies", [True, False])
def test_a_servers_weights_give_the_network_that_was_cut(classifies: bool) -> None:
    network = whole_network(split(), TASK, seed=3)
    head = torch.nn.Linear(network.feature_dim, 3)
    front = StackedModels(network.front, batched=False).vector(network.front)
    back = {f"back.{name}": value for name, value in network.back.state_dict().items()}
    if classifies:
        back |= {f"head.{name}": value for name, value in head.state_dict().items()}
    whole = joined.load(joined.build(split(), TASK, classifies=classifies), front, back)
    images = torch.rand(2, 1, 8, 8)
    features = network.back(network.front(images))
    assert torch.equal(whole(images), head(features) if classifies else features)


def test_weights_of_another_network_are_refused() -> None:
    whole = joined.build(split(), TASK, classifies=False)
    front = StackedModels(whole.front, batched=False).vector(whole.front)
    back = {n: value for n, value in whole.state_dict().items() if n.startswith("back.")}
    with pytest.raises(StoreError, match="of a run with another network"):
        joined.load(whole, front[1:], back)
    with pytest.raises(StoreError, match="of a run with another network"):
        joined.load(whole, front, dict(list(back.items())[1:]))
    bent = {name: value.flatten()[:1] for name, value in back.items()}
    with pytest.raises(StoreError, match="of a run with another network"):
        joined.load(whole, front, bent)
