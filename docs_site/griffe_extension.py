"""What mkdocstrings is told of this project's docstrings."""

from typing import Any, final

from griffe import Extension, Object

from docs_site.docstring_markdown import markdown


@final
class DocstringMarkdown(Extension):
    """Lets every docstring be read as Markdown."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:  # noqa: ARG002
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
