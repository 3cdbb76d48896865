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

_ESCAPED = r"\\\1"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


@functools.cache
def _parser() -> MarkdownIt:
    """CommonMark without raw HTML and pictures; it refuses javascript: and data: links itself."""
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
    reader.add_render_rule("link_open", _external_link)
    for heading in ("heading_open", "heading_close"):
        reader.add_render_rule(heading, _no_heading)
    return reader


def _external_link(
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
    named = _mention_of(mentioned)
    if named is not None:
        text = named.sub(lambda found: f"**{_SPECIAL.sub(_ESCAPED, found[0])}**", text)
    # The reader escapes every character that people typed and writes no markup but its own.
    return mark_safe(str(_parser().render(text)))


def names_in(text: str, names: Iterable[str]) -> list[str]:
    """What follows each @ of a text, where it is one of the names, as it is written there."""
    named = _mention_of(names)
    return [found[0].removeprefix("@") for found in named.finditer(text)] if named else []


def _mention_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """An @ with a whole name behind it. Of names that begin alike the longest counts, and neither
    an address nor a longer word is a mention."""
    longest_first = sorted({name for name in names if name}, key=len, reverse=True)
    if not longest_first:
        return None
    spelt = "|".join(re.escape(name) for name in longest_first)
    return re.compile(rf"(?<![\w.+-])@(?:{spelt})(?!\w|[-.@]\w)", re.IGNORECASE)
