"""Settings that mean nothing for a client's inputs: refused, so that nobody counts on them."""

from collections.abc import Iterator

from client_app.data.sources import SOURCES, Source, parse
from strategies.common.errors import DataError
from strategies.common.inputs import Images, Inputs, Tokens, Windows
from strategies.common.settings import RunSettings


def require(settings: RunSettings, source: Source, inputs: Inputs) -> None:
    """Refuse settings that are given, and that nothing reads for these inputs.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    source, inputs : Source, Inputs
        Where the samples come from, and what they are.

    Raises
    ------
    DataError
        With the first of them, and what to do.
    """
    for name, left_out, what in _unread(settings, source, inputs):
        given = getattr(settings, name)
        if given != left_out:
            raise DataError(
                f"setting {name.replace('_', '-')}: expected {left_out!r} for {what}, where "
                f"nothing reads it, got {given!r}; leave it out"
            )


def _unread(
    settings: RunSettings, source: Source, inputs: Inputs
) -> Iterator[tuple[str, int | str, str]]:
    """Yield settings that are not read, what they are where they are left out, and for what."""
    if not isinstance(inputs, Images):
        yield from (("image_size", 0, str(inputs)), ("channels", 0, str(inputs)))
    if not isinstance(inputs, Windows):
        yield "window_length", 0, str(inputs)
    if not isinstance(inputs, Tokens):
        yield "vocabulary_file", "", str(inputs)
    kinds = {source.kind, *([parse(settings.open_data).kind] if settings.open_data else ())}
    if not any(SOURCES[kind].tables and SOURCES[kind].usage for kind in kinds):
        told = f"samples of {source.kind}"
        yield from (("label_column", "", told), ("input_columns", "", told))
