"""What the server drew last, inside the page."""

import base64
import io
import re
from pathlib import Path
from typing import Final

from server_app.report.markup import Html, block, element, join, text, void
from server_app.run_record import RunRecord

MAX_PICTURES: Final = 100
# Larger pictures are shrunk: the page shows none of them wider than this.
MAX_SIDE: Final = 192
# Smaller ones are shown pixel by pixel.
FEW_PIXELS: Final = 64


def last_pictures(run: RunRecord) -> Html:
    """Show the pictures of each kind's last round; those of classes are of one kind."""
    folders = [f for f in (run.folder / "images").glob("round-*") if re.search(r"-\d+$", f.name)]
    by_round = sorted((int(f.name.rpartition("-")[2]), f) for f in folders)
    shown, grids = set[str](), list[Html]()
    for number, folder in reversed(by_round):
        drawn = sorted(folder.glob("*.png"), key=_natural_order)
        files = [file for file in drawn if _kind(file) not in shown]
        shown.update(map(_kind, files))
        if files:
            grids.append(_grid(run, number, files))
    return join(*grids) if grids else text("")


def _grid(run: RunRecord, number: int, files: list[Path]) -> Html:
    figures = [_picture(run, file) for file in files[:MAX_PICTURES]]
    told = f"Drawn in round {number}."
    if len(files) > MAX_PICTURES:
        told += f" The first {MAX_PICTURES} of {len(files)}."
    return join(block("pictures", *figures), element("p", told, attributes={"class": "muted"}))


def _picture(run: RunRecord, file: Path) -> Html:
    if told := run.presentation.pictures.get(file.stem):
        return picture(file, told, text(told), kind="drawn")
    named = _caption(run, file.stem)
    return picture(file, f"Generated image: {named}", text(named))


def picture(file: Path, described: str, told: Html, *, kind: str = "") -> Html:
    """Show one picture inside the page.

    Parameters
    ----------
    file : Path
        A PNG; one that cannot be read says so.
    described : str
        What it shows, for those who do not see it.
    told : Html
        Its caption.
    kind : str
        ``"drawn"`` shows it larger than images of classes; empty does not.
    """
    around = {"class": kind} if kind else {}
    caption = element("figcaption", told)
    try:
        data, side = _png(file)
    except (OSError, SyntaxError, ValueError):
        # Pillow raises all three for a damaged file.
        return element("figure", element("p", "cannot be read"), caption, attributes=around)
    attributes = {
        "src": f"data:image/png;base64,{base64.b64encode(data).decode()}",
        "alt": described,
        "class": "pixels" if side <= FEW_PIXELS else "smooth",
    }
    return element("figure", void("img", attributes), caption, attributes=around)


def _png(file: Path) -> tuple[bytes, int]:
    """Return a picture's file, shrunk if need be, and its longer side in pixels."""
    from PIL import Image  # noqa: PLC0415 - only runs that draw need it

    with Image.open(file) as image:
        side = max(image.size)
        image.load()
        if side <= MAX_SIDE:
            return file.read_bytes(), side
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
    return buffer.getvalue(), side


def _caption(run: RunRecord, stem: str) -> str:
    found = re.fullmatch(r"(?:.*-)?class-(\d+)", stem)
    index = int(found[1]) if found else -1
    return run.class_names[index] if 0 <= index < len(run.class_names) else stem


def _kind(file: Path) -> str:
    return re.sub(r"-\d+$", "", file.stem)


def _natural_order(file: Path) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", file.stem)]
