"""Cut a folder of parquet files into two: one half to pretrain on, one for the clients.

Run with ``python -m benchmarks.pretraining.halves DATA OUT``; ``OUT/first`` and
``OUT/second`` then hold every other row each.
"""

import argparse
from pathlib import Path

import pyarrow.parquet as pq

NAMES = ("first", "second")


def main() -> None:
    """Write both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with parquet files")
    parser.add_argument("out", type=Path, help="folder to write into")
    arguments = parser.parse_args()
    for path in sorted(arguments.data.glob("*.parquet")):
        table = pq.read_table(path)
        for first, name in enumerate(NAMES):
            half = table.take(list(range(first, table.num_rows, len(NAMES))))
            (arguments.out / name).mkdir(parents=True, exist_ok=True)
            pq.write_table(half, arguments.out / name / path.name)


if __name__ == "__main__":
    main()
