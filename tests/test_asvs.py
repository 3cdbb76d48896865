"""The page of the ASVS answers every requirement once, and names places that exist."""

from __future__ import annotations

import re
from collections import Counter

from tests.prose import CHECKOUT

PAGE = (CHECKOUT / "docs" / "reference" / "asvs.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| (\d+\.\d+\.\d+) (.+) \| (\S+) \| (.+) \|$", PAGE)
# The number of requirements of levels 1 and 2 in each section of ASVS 5.0.0. In every section they
# precede those of level 3, so that their numbers have no gap.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
    "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
    "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4,
    "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
    "14.1": 2, "14.2": 4, "14.3": 3,
    "15.1": 3, "15.2": 3, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
    "17.1": 1, "17.2": 4, "17.3": 2,
}  # fmt: skip


def places_in(text: str) -> list[str]:
    """The code spans with the form of a path of the repository."""
    is_path = re.compile(r"[\w./-]+(/[\w.-]+|\.(py|in|txt|toml|yml))|\.dockerignore").fullmatch
    return [span for span in re.findall(r"`([^`]+)`", text) if is_path(span)]


def test_each_requirement_occurs_once() -> None:
    wanted = [f"{section}.{n}" for section, count in SECTIONS.items() for n in range(1, count + 1)]

    assert len(wanted) == 253
    assert [number for number, *_ in ROWS] == wanted


def test_answers_and_their_counts() -> None:
    counts = Counter(answer for _, _, answer, _ in ROWS)
    shown = {name: int(count) for name, count in re.findall(r"\*\*(\S+)\*\* \((\d+)\)", PAGE)}

    assert shown == counts
    assert set(counts) == {"met", "open", "n/a"}


def test_named_places_exist() -> None:
    missing = [place for place in places_in(PAGE) if not (CHECKOUT / place).exists()]

    assert missing == []


def test_met_requirement_has_a_place() -> None:
    assert [number for number, _, answer, reason in ROWS
            if answer == "met" and not places_in(reason)] == []  # fmt: skip
