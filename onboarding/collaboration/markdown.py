"""Safe Markdown of people: no raw HTML, no pictures, external links with rel attributes."""

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
    """CommonMark without raw HTML and pictures. The parser rejects javascript: and data: links."""
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
    """A comment has no outline: a heading becomes a strong line."""
    return "<p><strong>" if tokens[index].nesting == 1 else "</strong></p>\n"


def render(text: str, *, mentioned: Iterable[str] = ()) -> SafeString:
    """HTML of a comment, with its mentioned names highlighted."""
    named = _mention_of(mentioned)
    if named is not None:
        text = named.sub(lambda found: f"**{_SPECIAL.sub(_ESCAPED, found[0])}**", text)
    # The parser escapes all typed characters and writes only its own markup.
    return mark_safe(str(_parser().render(text)))


def names_in(text: str, names: Iterable[str]) -> list[str]:
    """The names of the list that follow an @ in the text, as written there."""
    named = _mention_of(names)
    return [found[0].removeprefix("@") for found in named.finditer(text)] if named else []


def _mention_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """Matches an @ with a full name. The longest of several names wins. E-mail addresses and longer
    words are no mentions."""
    longest_first = sorted({name for name in names if name}, key=len, reverse=True)
    if not longest_first:
        return None
    spelt = "|".join(re.escape(name) for name in longest_first)
    return re.compile(rf"(?<![\w.+-])@(?:{spelt})(?!\w|[-.@]\w)", re.IGNORECASE)
