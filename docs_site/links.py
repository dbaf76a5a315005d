"""Links between Markdown files, as a forge shows them and as the site has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final, final

# Code is matched first, so that nothing in it is taken for a link.
_LINK: Final = re.compile(
    r"^```.*?^```|(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
    r"|(?P<image>!?)\[(?P<text>(?:`[^`]*`|[^\[\]`]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.MULTILINE | re.DOTALL,
)
_FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_NAMED: Final = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_MARKUP: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)|[`*]")
_NOT_IN_SLUG: Final = re.compile(r"[^\w\- ]")
_ELSEWHERE: Final = ("http://", "https://", "mailto:")


@final
@dataclass(frozen=True)
class Link:
    """A link to another place of the repository.

    Attributes
    ----------
    file : str
        Path from the repository's root.
    anchor : str
        Place in that file; empty for its beginning.
    """

    file: str
    anchor: str

    @classmethod
    def of(cls, target: str, source: str) -> "Link":
        """Read what stands in brackets in a file, given by its path from the root."""
        path, _, anchor = target.partition("#")
        folder = PurePosixPath(source).parent
        return cls(normpath(folder / path) if path else source, anchor)


def slug(title: str, separator: str = "-") -> str:
    """Return the anchor of a heading, as forges make it.

    Parameters
    ----------
    title : str
        Text of the heading without markup.
    separator : str
        In place of each space.
    """
    return _NOT_IN_SLUG.sub("", title.strip().lower()).replace(" ", separator)


def anchors(text: str) -> frozenset[str]:
    """Return all anchors of a Markdown file."""
    prose = _FENCED.sub("", text)
    headings = (_MARKUP.sub(lambda found: found[1] or "", h) for h in _HEADING.findall(prose))
    return frozenset(map(slug, headings)) | frozenset(_NAMED.findall(prose))


def links(text: str, source: str) -> Iterator[Link]:
    """Yield the links of a Markdown file that lead into the repository.

    Parameters
    ----------
    text : str
        What stands in the file.
    source : str
        Its path from the repository's root.
    """
    for found in _LINK.finditer(text):
        if (target := found["target"]) and not target.startswith(_ELSEWHERE):
            yield Link.of(target, source)


def broken(root: Path, source: str) -> list[str]:
    """Return what is wrong with the links of a Markdown file.

    Parameters
    ----------
    root : Path
        Of the repository.
    source : str
        Path of the file from there.
    """
    wrong = []
    for link in links((root / source).read_text(), source):
        path = root / link.file
        if not path.exists():
            wrong.append(f"{source}: there is no {link.file}")
        elif link.anchor and (not path.is_file() or link.anchor not in anchors(path.read_text())):
            wrong.append(f"{source}: {link.file} has no #{link.anchor}")
    return wrong


def rewritten(text: str, source: str, uris: Mapping[str, str]) -> str:
    """Return a Markdown file with links for its place on the site.

    What the site does not show is named as code, so that the reader finds it in the repository.

    Parameters
    ----------
    text : str
        What stands in the file.
    source : str
        Its path from the repository's root.
    uris : Mapping[str, str]
        What the site shows: by path from the root, place on the site.
    """
    here = PurePosixPath(uris[source]).parent.as_posix()

    def placed(found: re.Match[str]) -> str:
        target = found["target"]
        if not target or target.startswith(_ELSEWHERE):
            return found[0]
        link, words = Link.of(target, source), found["text"]
        if link.file not in uris:
            return words if link.file in words else f"{words} (`{link.file}`)"
        place = f"#{link.anchor}" if link.anchor else ""
        if link.file != source or not place:
            place = relpath(uris[link.file], here) + place
        return f"{found['image']}[{words}]({place})"

    return _LINK.sub(placed, text)
