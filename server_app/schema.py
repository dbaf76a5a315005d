"""Files of a run whose layout is declared once: what is written is what is read back.

A layout is a frozen dataclass without defaults, so that nothing can be left out unseen, which
refuses keys that it does not declare (``STRICT``). Its fields stand in the file in the order in
which they are declared.
"""

from typing import Any, Final, Generic, TypeVar, final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from strategies.common.errors import RunFolderError

STRICT: Final = ConfigDict(extra="forbid")
_PLAINLY: Final = {
    "missing": "expected a value, got no such key; the file is damaged",
    "unexpected_keyword_argument": (
        "expected no such key; was the file written by another version of Nectar?"
    ),
}

Layout = TypeVar("Layout")


@final
class Schema(Generic[Layout]):
    """Writes and reads one layout.

    Parameters
    ----------
    layout : type[Layout]
        Dataclass whose ``__pydantic_config__`` is ``STRICT``.
    """

    def __init__(self, layout: type[Layout]) -> None:
        self._adapter = TypeAdapter(layout)

    def to_json(self, value: Layout) -> dict[str, Any]:
        """Return what ``json.dumps`` is to write; every number stays as it is.

        Raises
        ------
        PydanticSerializationError
            If a field holds what its declaration does not allow.
        """
        return dict(self._adapter.dump_python(value, by_alias=True, warnings="error"))

    def read(self, value: object, where: str) -> Layout:
        """Read what was parsed from JSON.

        Parameters
        ----------
        value : object
            What the file holds.
        where : str
            The place, for the error message.

        Raises
        ------
        RunFolderError
            Naming the place, the key, and what is wrong with it.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            told = _PLAINLY.get(first["type"]) or f"{first['msg']}, got {first['input']!r}"
            raise RunFolderError(f"{where}: {key}: {told}") from None
