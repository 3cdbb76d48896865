"""Reads the text of a page's elements, with normalised white space."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"input", "br", "meta", "link", "img", "hr", "path", "circle", "rect"}


class _Texts(HTMLParser):
    def __init__(self, wanted: str) -> None:
        super().__init__()
        self.wanted = wanted
        self.found: list[str] = []
        self._open: list[tuple[int, list[str]]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        self._depth += 1
        values = dict(attrs)
        names = {f".{name}" for name in (values.get("class") or "").split()}
        if self.wanted in names | {tag, f"#{values.get('id')}"}:
            self._open.append((self._depth, []))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._open and self._open[-1][0] == self._depth:
            _, parts = self._open.pop()
            self.found.append(" ".join("".join(parts).split()))
        self._depth -= 1

    def handle_data(self, data: str) -> None:
        for _, parts in self._open:
            parts.append(data)


def texts(html: str, wanted: str) -> list[str]:
    """The text of every element with the `tag`, the `.class` or the `#id`."""
    reader = _Texts(wanted)
    reader.feed(html)
    return reader.found
