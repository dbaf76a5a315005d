"""Questions with pictures, and what a federation answered, as they stand beside a run.

Pictures of clients never reach a server. They are put into a run's folder by who holds both,
as in a local federation.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from pydantic import TypeAdapter

from server_app.beside_run import read_list
from strategies.common.new_file import whole

FOLDER = "examples"
_FILE = "examples.json"


@final
@dataclass(frozen=True)
class Example:
    """One question that a client was tested with.

    Attributes
    ----------
    client : int
        Whose it is.
    picture : str
        File in the folder of the examples.
    question, answer, given : str
        What was asked, what is right, and what the client answered.
    """

    client: int
    picture: str
    question: str
    answer: str
    given: str

    @property
    def is_right(self) -> bool:
        """Whether the given answer is the right one."""
        return self.answer == self.given


_EXAMPLES = TypeAdapter(tuple[Example, ...])


def save(run_dir: Path, examples: tuple[Example, ...]) -> None:
    """Write examples whose pictures stand in the folder already."""
    text = json.dumps([asdict(example) for example in examples], indent=1)
    with whole(run_dir / FOLDER / _FILE) as file:
        file.write_text(text, encoding="utf-8")


def read(run_dir: Path) -> tuple[Example, ...]:
    """Read a run's examples; empty where there are none.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    return read_list(run_dir / FOLDER / _FILE, _EXAMPLES, "questions and answers")
