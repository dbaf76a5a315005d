"""What every page is made in: one HTML file that needs nothing but itself."""

from pathlib import Path
from typing import Final

from server_app.report.markup import Html, element, text
from server_app.report.style import STYLE
from strategies.common.new_file import whole

# A page runs no script and fetches nothing, whatever its texts contain.
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

# Every page begins so, and one that somebody else wrote does not: by this it is known again.
_START: Final = (
    '<!DOCTYPE html>\n<html lang="en"><head>'
    '<meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'
)


def document(title: str, *parts: Html) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
        What the browser calls it; escaped.
    *parts : Html
        What it shows, from top to bottom.
    """
    head = Html(
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>{STYLE}</style></head>'
    )
    body = element("main", *parts)
    return f"{_START}{head}\n<body>{body}</body></html>\n"


def is_ours(path: Path) -> bool:
    """Tell whether a file is a page that was written here."""
    try:
        with path.open("rb") as file:
            return file.read(len(_START.encode())) == _START.encode()
    except OSError:
        return False


def warning(told: str) -> Html:
    """Return a sentence that a reader must not miss."""
    return element("p", told, attributes={"class": "warn", "role": "note"})


def write_whole(path: Path, content: str) -> None:
    """Write a file in one step, so that nobody ever reads half of it.

    Raises
    ------
    OSError
        If it cannot be written; what stood there before is untouched.
    """
    with whole(path) as file:
        file.write_text(content, encoding="utf-8", newline="")
