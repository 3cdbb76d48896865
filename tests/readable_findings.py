"""Each finding that a test creates is rendered, and its sentence must be readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.html import strip_tags

from checks.engine.codes import CODES
from checks.engine.outcomes import Finding
from checks.templatetags.findings import finding

# What a sentence shows when a parameter is missing, empty, or of another type than its template
# expects: None, a representation of Python, an empty element, a gap before a punctuation mark.
_UNREADABLE = re.compile(
    r"""\bNone\b|\bTrue\b|\bFalse\b|[\[{(](?:'|&\#x27;)|(?:'|&\#x27;)[\]})]|<code>\s*</code>|\s[.,;:](?:\s|$)|\(\s*\)|datetime"""
)


def faults(sentence: str) -> list[str]:
    """Return the parts of a rendered sentence that no reader can use."""
    plain = " ".join(strip_tags(sentence).split())
    found = [match[0] for match in _UNREADABLE.finditer(" ".join(sentence.split()))]
    return found if re.search(r"[.?]$", plain) else [*found, f"no full stop: {plain[-30:]}"]


@pytest.fixture(autouse=True)
def _readable_findings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    created: dict[str, Finding] = {}
    original = Finding.__init__

    def create(self: Finding, code: str, *args: Any, **named: Any) -> None:
        original(self, code, *args, **named)
        created[code] = self

    monkeypatch.setattr(Finding, "__init__", create)
    yield
    unreadable = {
        sentence: found
        for one in created.values()
        if tuple(one.params) == CODES.get(one.code)
        if (found := faults(sentence := finding({"code": one.code, "params": dict(one.params)})))
    }
    assert unreadable == {}
