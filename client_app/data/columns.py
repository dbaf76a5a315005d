"""Tables in the hub's layout: which column is the image or the text, which the label.

Such a table has a column of encoded image files, each a struct {bytes, path} or plain bytes, or
columns of text, and an integer column of labels; the names of the classes stand in the schema's
metadata.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

if TYPE_CHECKING:
    import pyarrow as pa

# Tried in this order; fine labels before coarse ones, as CIFAR-100 has both.
LABEL_NAMES = ("label", "labels", "fine_label", "target", "class", "digit", "character")

# What follows a label's name where a column says the same in words.
_IN_WORDS: Final = ("", "_text", "_name", "_names")

# What a column that counts rows is called; the last by pandas.
_COUNTERS: Final = frozenset({"", "id", "idx", "index", "row", "unnamed: 0", "__index_level_0__"})

# What columns of plain bytes are called where they are images and others are there.
IMAGE_NAMES = ("image", "img", "picture", "photo", "image_bytes", "bytes", "jpg", "jpeg", "png")


@final
@dataclass(frozen=True)
class Columns:
    """Names of the columns that matter.

    Attributes
    ----------
    image, label : str
        What is read; no image where there are texts.
    texts : tuple[str, ...]
        Columns of text, where there is no image.
    are_asked_for : bool
        Whether the settings name the columns of text.
    aside : Mapping[str, str]
        Columns of text that are not read, with the reason.
    notes : tuple[str, ...]
        Which others might have been meant.
    """

    image: str
    label: str
    texts: tuple[str, ...] = ()
    are_asked_for: bool = False
    aside: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def read(self) -> frozenset[str]:
        """All that is read, in whatever order."""
        return frozenset((self.image, self.label, *self.texts)) - {""}

    def without(self, telling: Sequence[str], where: str) -> "Columns":
        """Return what is left to read where some columns of text say the label, and tell of all.

        Raises
        ------
        DataError
            If none is left.
        """
        aside = {**self.aside, **dict.fromkeys(telling, "says the label")}
        texts = tuple(name for name in self.texts if name not in telling)
        left = ", ".join(f"{name} ({why})" for name, why in aside.items())
        if self.texts and not texts:
            raise DataError(
                f"{where}: expected a column of text beside the label to learn from, found none "
                f"but {left}; name it in input-columns if it is to be learnt from all the same"
            )
        if len(texts) + len(aside) < 2:
            return self
        note = f"texts are read of {', '.join(texts)}{f', and not of {left}' if left else ''}"
        return replace(self, texts=texts, aside=aside, notes=(*self.notes, note))


def choose(schema: "pa.Schema", where: str, wanted: RunSettings | None = None) -> Columns:
    """Find the first image column, or all columns of text without one, and the label column.

    Parameters
    ----------
    schema : pa.Schema
        Of the table.
    where : str
        For messages.
    wanted : RunSettings | None
        Which columns are asked for by name; ``None`` finds them.

    Raises
    ------
    DataError
        With the columns that were found.
    """
    label, note = _label_column(schema, wanted.label_column if wanted else "", where)
    asked = wanted.named_inputs if wanted else ()
    texts, aside = _text_columns(schema, asked, label, where) if wanted else ((), {})
    image = "" if texts else image_column(schema, where)
    notes = (told("images", image, image_columns(schema)) if image else "", note)
    return Columns(
        image, label, texts, bool(asked), {} if image else aside, tuple(filter(None, notes))
    )


def require_alike(files: Iterable[tuple[str, "pa.Schema", Columns]], where: str) -> None:
    """Refuse files of one table in which what is read is called differently.

    Parameters
    ----------
    files : Iterable[tuple[str, pa.Schema, Columns]]
        Name, columns, and which of them were chosen, of each.
    where : str
        For messages.

    Raises
    ------
    DataError
        With the columns of two files.
    """
    first, *others = files
    for name, schema, chosen in others:
        if chosen.read != first[2].read:
            raise DataError(
                f"{where}: expected the same columns to read in all files, got "
                f"{', '.join(sorted(first[2].read))} of {first[0]}, and "
                f"{', '.join(sorted(chosen.read))} of {name}, whose columns are "
                f"{described(schema)}; rename them alike, or set label-column and input-columns "
                f"to those that all files have"
            )


def _label_column(schema: "pa.Schema", asked: str, where: str) -> tuple[str, str]:
    """Return the column of labels, and a note on it where others might have been meant."""
    import pyarrow as pa  # noqa: PLC0415

    integers = [str(one.name) for one in schema if pa.types.is_integer(one.type)]
    if asked:
        if asked not in integers:
            raise DataError(
                f"{where}: setting label-column: expected one of the columns of integers, "
                f"{', '.join(integers) or 'of which there are none'}, got {asked!r}; found "
                f"{described(schema)}; write the labels as integers"
            )
        return asked, told("labels", asked, _called_labels(integers))
    if known := _called_labels(integers):
        return known[0], told("labels", known[0], known)
    choice = "set label-column to the column of integers that holds them"
    if named := _called_labels(schema.names):
        raise DataError(
            f"{where}: expected a column of integer labels, found {named[0]} "
            f"({schema.field(named[0]).type}), which is called as labels are, among "
            f"{described(schema)}; write the labels as integers, or {choice}"
        )
    if len(integers) != 1:
        raise DataError(
            f"{where}: expected a column of integer labels named {', '.join(LABEL_NAMES)}, or one "
            f"integer column only; found {described(schema)}; {choice}"
        )
    if integers[0].strip().lower() in _COUNTERS:
        raise DataError(
            f"{where}: expected a column of integer labels, found {integers[0]}, which is called "
            f"as numbers of rows are, as the only column of integers among {described(schema)}; "
            f"write the labels as integers in a column named label, or {choice}"
        )
    return integers[0], f"labels are column {integers[0]}, the only one of integers"


def _called_labels(names: Sequence[str]) -> list[str]:
    """Return those that are called as labels are, in whichever case, the likeliest first."""
    return [name for known in LABEL_NAMES for name in names if name.lower() == known]


def _text_columns(
    schema: "pa.Schema", asked: Sequence[str], label: str, where: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the columns of text that are asked for, or all where there is no image.

    Those that are called as labels are stand aside, with the reason.
    """
    texts = [str(one.name) for one in schema if _is_text(one.type)]
    if strange := [name for name in asked if name not in texts]:
        raise DataError(
            f"{where}: setting input-columns: expected columns of text, "
            f"{', '.join(texts) or 'of which there are none'}, got {', '.join(strange)}; found "
            f"{described(schema)}"
        )
    if asked:
        return tuple(asked), {name: "not asked for" for name in texts if name not in asked}
    if image_columns(schema):
        return (), {}
    labels = {f"{name}{end}" for name in (*LABEL_NAMES, label.lower()) for end in _IN_WORDS}
    aside = {name: "called as labels are" for name in texts if name.lower() in labels}
    return tuple(name for name in texts if name not in aside), aside


def told(what: str, chosen: str, possible: Sequence[str]) -> str:
    """Say which column was taken, where others might have been meant; else nothing."""
    others = [name for name in possible if name != chosen]
    if not others:
        return ""
    are = "is" if len(others) == 1 else "are"
    return f"{what} are column {chosen}; {', '.join(others)} {are} there too, and not read"


def image_column(schema: "pa.Schema", where: str) -> str:
    """Find the first column of structs with bytes, else one of plain bytes.

    The latter is named as images are, or the only one.

    Raises
    ------
    DataError
        With the columns that were found.
    """
    if found := image_columns(schema):
        return found[0]
    raise DataError(
        f"{where}: expected an image column with bytes and path, e.g. img or image, or one of "
        f"plain bytes: named {', '.join(IMAGE_NAMES)}, or the only one; or columns of text; found "
        f"{described(schema)}"
    )


def image_columns(schema: "pa.Schema") -> list[str]:
    """Return every column that may hold images, the one that is read first."""
    import pyarrow as pa  # noqa: PLC0415

    structs = [
        str(one.name)
        for one in schema
        if pa.types.is_struct(one.type) and "bytes" in _parts(one.type)
    ]
    plain = [str(one.name) for one in schema if _is_binary(one.type)]
    named = [name for name in plain if name.lower() in IMAGE_NAMES]
    return [*structs, *(named or (plain if len(plain) == 1 and not structs else []))]


def described(schema: "pa.Schema") -> str:
    """List a table's columns with their types, for messages."""
    return ", ".join(f"{one.name} ({one.type})" for one in schema)


def _parts(struct: "pa.StructType") -> list[str]:
    return [struct.field(index).name for index in range(struct.num_fields)]


def _is_text(kind: "pa.DataType") -> bool:
    """Tell whether cells are texts, each written out or one of a list of them."""
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(
        types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner)
    )


def _is_binary(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
