"""Pictures with questions, the right answers and what was answered, inside the page."""

from itertools import groupby
from typing import Final

from server_app.examples import FOLDER, Example, read
from server_app.report.markup import Html, block, element, join, text, void
from server_app.report.pictures import picture
from server_app.run_record import RunRecord

MAX_PER_CLIENT: Final = 12
_NOTE = (
    "Test questions of each client, the first ones whatever was answered, with the model whose "
    "accuracy is reported. Pictures are shown because clients and server share this machine; "
    "nothing of them travels."
)


def examples(run: RunRecord) -> Html:
    """Show a run's examples client by client; empty where there are none.

    Raises
    ------
    RunFolderError
        If their file cannot be understood.
    """
    found = read(run.folder)
    if not found:
        return text("")
    parts: list[Html] = [element("p", _NOTE, attributes={"class": "muted"})]
    for client, own in groupby(found, lambda example: example.client):
        shown = list(own)[:MAX_PER_CLIENT]
        right = sum(example.is_right for example in shown)
        parts.append(element("h3", f"Client {client}: {right} of {len(shown)} right"))
        parts.append(block("pictures", *(_figure(run, example) for example in shown)))
    return join(*parts)


def _figure(run: RunRecord, example: Example) -> Html:
    mark = "right" if example.is_right else f"wrong, it is {example.answer}"
    answer = element("strong", example.given)
    told = join(example.question, void("br", {}), answer, f" ({mark})")
    described = f"{example.question} Answered {example.given}; right is {example.answer}."
    # The name alone: a file elsewhere is not the page's business.
    file = run.folder / FOLDER / example.picture.rpartition("/")[2]
    return picture(file, described, told)
