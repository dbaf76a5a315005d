"""Agreement of the StyleGAN loader with reference outputs, before and after conversion.

A folder holds pairs ``NAME.pkl`` and ``NAME.npz``, the latter with arrays ``z``, ``c``,
``ws``, ``ws_psi07``, ``img`` and ``img_psi07`` that a reference network computed. Printed is
the largest absolute difference divided by the largest absolute value.

Run with ``python -m benchmarks.stylegan_reference FOLDER``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from generators.stylegan.load import convert, load
from generators.stylegan.network import StyleGAN

TOLERANCE = 1e-4
NAMES = ("ws", "ws_psi07", "img", "img_psi07")


def main() -> int:
    """Compare every pair of files and return 1 if one disagrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with NAME.pkl and NAME.npz")
    folder = parser.parse_args().folder
    table = Table("network", "loaded from", *NAMES)
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        for path in sorted(folder.glob("*.pkl")):
            converted = Path(temporary) / f"{path.stem}.safetensors"
            networks = {"pickle": load(path), "safetensors": convert(path, converted)}
            for source, network in networks.items():
                errors = disagreement(network, path.with_suffix(".npz"))
                worst = max(worst, *errors.values())
                table.add_row(path.stem, source, *(f"{errors[name]:.1e}" for name in NAMES))
    Console().print(table)
    sys.stdout.write(f"worst {worst:.1e}, tolerance {TOLERANCE:.0e}\n")
    return 0 if 0 < worst <= TOLERANCE else 1


@torch.no_grad()
def disagreement(network: StyleGAN, path: Path) -> dict[str, float]:
    """Return the relative error of each output."""
    expected = dict(np.load(path))
    z = torch.from_numpy(expected["z"])
    c = torch.from_numpy(expected["c"]) if network.c_dim else None
    found = {"ws": network.mapping(z, c), "ws_psi07": network.mapping(z, c, 0.7)}
    found["img"] = network.synthesis(found["ws"])
    found["img_psi07"] = network.synthesis(found["ws_psi07"])
    return {
        name: float(np.abs(found[name].numpy() - expected[name]).max())
        / float(np.abs(expected[name]).max())
        for name in NAMES
    }


if __name__ == "__main__":
    sys.exit(main())
