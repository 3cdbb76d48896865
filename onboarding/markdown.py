"""People's Markdown made safe: no HTML of theirs, no pictures, links that lead out with care."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


@functools.cache
def _reader() -> MarkdownIt:
    """CommonMark without raw HTML and pictures; it refuses javascript: and data: links itself."""
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
    reader.add_render_rule("link_open", _outward)
    for heading in ("heading_open", "heading_close"):
        reader.add_render_rule(heading, _no_heading)
    return reader


def _outward(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)


def _no_heading(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    """A remark has no outline of its own: what was meant as a heading is a strong line."""
    return "<p><strong>" if tokens[index].nesting == 1 else "</strong></p>\n"


def render(text: str, *, mentioned: Iterable[str] = ()) -> SafeString:
    """HTML of a comment; the names mentioned in it stand out."""
    for name in mentioned:
        marked = "**" + _SPECIAL.sub(r"\\\1", f"@{name}") + "**"
        text = re.sub(re.escape(f"@{name}"), marked.replace("\\", r"\\"), text, flags=re.IGNORECASE)
    # The reader escapes every character that people typed and writes no markup but its own.
    return mark_safe(str(_reader().render(text)))
