"""Texts as rows of numbers, one for each word.

By default a word's number follows from the word alone (hashing), so that no device needs anything
but the settings to number words as all others do; unlike words may then share a number. With a
file of words, one in each line, a word's number is its line; which file that is shows in a digest,
by which devices with another one are refused.
"""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from strategies.common.errors import DataError
from strategies.common.home import expanded
from strategies.common.settings import RunSettings

# Numbers that are no word's: the end of a short text, and, with a file, a word that is not in it.
PADDING: Final = 0
_UNKNOWN: Final = 1
# Raised whenever the same text comes to other numbers.
_VERSION: Final = 1
# A run of letters and digits, or a single mark.
_WORD: Final = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters, and its marks.

    Examples
    --------
    >>> words_of("It's 5 past NOON!")
    ['it', "'", 's', '5', 'past', 'noon', '!']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@final
@dataclass(frozen=True)
class Numbering:
    """How words become numbers.

    Attributes
    ----------
    length : int
        Words of which a text consists at most: longer ones are cut, shorter ones are filled up.
    size : int
        How many numbers there are, padding included.
    digest : str
        SHA-256 of whatever decides a word's number.
    listed : Mapping[str, int] | None
        Numbers of a file's words; ``None`` where they are hashed.
    """

    length: int
    size: int
    digest: str
    listed: Mapping[str, int] | None = None

    @staticmethod
    def of(settings: RunSettings) -> "Numbering":
        """Return the numbering that settings ask for.

        Raises
        ------
        DataError
            If the file of words cannot be read, or holds anything but one word in each line.
        """
        if settings.vocabulary_file:
            listed = _listed(expanded(settings.vocabulary_file, "vocabulary-file ").absolute())
            told = "\n".join(listed)
            size = len(listed) + _UNKNOWN + 1
            return Numbering(settings.text_length, size, _digest("listed", told), listed)
        size = settings.vocabulary
        return Numbering(settings.text_length, size, _digest("hashed", str(size)))

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, int]:
        """Return (texts, length) int64, and how many of them were cut."""
        rows = torch.full((len(texts), self.length), PADDING)
        cut = 0
        for row, text in enumerate(texts):
            words = words_of(text)
            cut += len(words) > self.length
            found = [self._number(word) for word in words[: self.length]]
            rows[row, : len(found)] = torch.tensor(found, dtype=torch.int64)
        return rows, cut

    def _number(self, word: str) -> int:
        if self.listed is not None:
            return self.listed.get(word, _UNKNOWN)
        return 1 + zlib.crc32(word.encode()) % (self.size - 1)


def _digest(kind: str, told: str) -> str:
    return hashlib.sha256(f"{_VERSION}:{kind}:{told}".encode()).hexdigest()


@cache
def _listed(path: Path) -> Mapping[str, int]:
    where = f"setting vocabulary-file: {path}"
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{where}: cannot be read ({error}); give a file in UTF-8 with one word in each line, "
            f"the same on every device, or leave it empty to hash words"
        ) from None
    if lines[-1:] == [""]:
        lines.pop()
    listed: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if words_of(word) != [word] or word in listed:
            twice = f", got the one of line {listed[word] - _UNKNOWN}" if word in listed else ""
            raise DataError(
                f"{where}, line {number}: expected one word in small letters, as texts are read"
                f"{twice or ', got none, several or capital letters'}"
            )
        listed[word] = number + _UNKNOWN
    if not listed:
        raise DataError(f"{where}: expected at least one word, found none")
    return listed
