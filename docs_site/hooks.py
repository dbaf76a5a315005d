"""What mkdocs calls while it builds the site; ``mkdocs.yml`` names this file."""

import logging
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs_site import pages
from docs_site.links import broken, rewritten, slug

_ROOT: Final = Path(__file__).parents[1]
_STYLE: Final = "site.css"
# Below the one whose warnings are errors with --strict.
_LOG: Final = logging.getLogger("mkdocs.docs_site")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the navigation, and let anchors be those of the repository's forge."""
    config.nav = pages.navigation(_ROOT)
    config.mdx_configs["toc"] = {**config.mdx_configs.get("toc", {}), "slugify": slug}
    config.extra_css.append(_STYLE)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand in no file."""
    made = pages.generated(_ROOT) | {_STYLE: (_ROOT / "docs_site" / _STYLE).read_text()}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(
    markdown: str,
    page: Page,
    config: MkDocsConfig,
    files: Files,
) -> str:
    """Let links of the repository's files lead to where the site shows what they name."""
    shown = pages.sources(_ROOT)
    written = {uri: source for source, uri in shown.items() if source.endswith(".md")}
    source = written.get(page.file.src_uri)
    if source is None:
        return markdown
    # What the site does not show is no link any more, so that mkdocs would not miss it.
    for wrong in broken(_ROOT, source):
        _LOG.warning(wrong)
    return rewritten(markdown, source, shown)
