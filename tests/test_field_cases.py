"""Each input of the field reports that a test of its kind covers is named there by its number."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Number 18 was never assigned.
NUMBERS = {number for number in range(1, 26) if number != 18}
_CASE = re.compile(r"Field case (\d{2})\b")


def test_every_field_case_is_in_a_test() -> None:
    texts = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert {int(number) for text in texts for number in _CASE.findall(text)} == NUMBERS
