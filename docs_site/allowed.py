"""What a setting may be, in words, out of what pydantic checks."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError

from strategies.common.settings import Settings

Value = bool | int | float | str

_INPUT_SHOULD_BE: Final = "Input should be "
# Letters of code that a column may be as wide as; longer ones are broken anywhere.
_WIDE: Final = 34


def allowed(kind: type[Settings]) -> dict[str, str]:
    """Return what each setting of a class may be, by its name in the config, as Markdown.

    Parameters
    ----------
    kind : type[Settings]
        Class of a table, or of the general settings.
    """
    schemas = kind.model_json_schema()["properties"]
    fields = {str(field.alias): field for field in kind.model_fields.values()}
    told = {key: _told(schemas[key]) for key in fields}
    # A check of its own says in its error alone what passes it.
    return {
        key: told[key] or _asked(Annotated[field.annotation, *field.metadata])
        for key, field in fields.items()
    }


def code(text: str) -> str:
    """Return text as code that may stand in a cell of a table."""
    if len(text) <= _WIDE and "|" not in text and "`" not in text:
        return f"`{text}`"
    # Within HTML, Markdown would read brackets, stars and underscores as its own.
    told = "".join(c if c.isalnum() or c.isspace() else f"&#{ord(c)};" for c in text)
    return f'<code class="wide">{told}</code>'


def literal(value: Value) -> str:
    """Return a value as it stands in TOML, as code."""
    return code(json.dumps(value, ensure_ascii=False))


def _told(schema: Mapping[str, Any]) -> str:
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if schema.get("type") == "boolean":
        choices = [True, False]
    if choices:
        return ", ".join(map(literal, choices))
    match schema.get("type"):
        case "integer":
            return f"whole number{_range(schema)}"
        case "number":
            return f"number{_range(schema)}"
        case "string":
            return _text(schema)
    return ""


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {_number(low)} to {_number(high)}"
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "greater than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    return "".join(
        f", {word} {_number(schema[key])}" for key, word in words.items() if key in schema
    )


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else str(value)


def _text(schema: Mapping[str, Any]) -> str:
    if "pattern" in schema:
        return f"text like {code(schema['pattern'])}"
    return "text, not empty" if schema.get("minLength") else "text"


def _asked(kind: Any) -> str:
    try:
        TypeAdapter(kind).validate_python(object())
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix(_INPUT_SHOULD_BE)
    return "anything"
