"""An expert's file for a tiny run, from the run's own first state."""

from pathlib import Path

import torch
from torch import nn

from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.state import MocoSFLServerState
from strategies.mocosfl.taressfl.expert import Description, Expert, Provenance, save
from strategies.mocosfl.taressfl.structure import structure
from strategies.mocosfl.taressfl.verdict import Finding, Quality, Verdict

PROVENANCE = Provenance(
    target="digits",
    auxiliary="digits",
    target_images=4,
    auxiliary_images=8,
    steps=1,
    ssim_target=0.6,
    ssim_weight=2.0,
    codec="float32",
    seed=0,
    notes=(),
)


def write_expert(
    path: Path,
    split: SplitSettings,
    task: Task,
    state: MocoSFLServerState,
    *,
    mse: float = 0.04,
    shift: float = 0.1,
    informed: bool = True,
) -> Expert:
    """Store a run's first state as an expert, its numbers shifted and its copies' twice as far."""
    hidden, dim = (m.out_features for m in state.online.head.children() if isinstance(m, nn.Linear))
    own = structure(split, task, hidden, dim)
    finding = Finding("res_N1C4 0", Quality(mse, 0.5, 14.0))
    verdict = Verdict((finding,), Quality(0.09, 0.1, 10.0), 0.02, informed)
    parts = [
        {name: tensor + by for name, tensor in state.online.state_dict().items()}
        for by in (shift, 2 * shift)
    ]
    expert = Expert(
        Description(structure=own, provenance=PROVENANCE, verdict=verdict),
        state.front + shift,
        state.front + 2 * shift,
        *parts,
        torch.zeros(2, 3, 8, 18, dtype=torch.uint8),
    )
    save(path, expert)
    return expert
