"""The types and limits that all readers of tables share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onboarding.errors import OnboardingError
from onboarding.requirements.cell_types import printable

MAX_ROWS = 100_000
MAX_COLUMNS = 300  # Get-Mailbox exports about 240 properties
# The rows from which a worksheet is chosen and its headings are found.
SAMPLE_ROWS = 20
PROGRESS_EVERY_ROWS = 2000

# A row with the number that spreadsheet programs show.
Row = tuple[int, list[str]]
# Called now and then with the number of rows read and their total.
OnProgress = Callable[[int, int], None]
# Receives the first rows of each worksheet, and returns the index of the worksheet to read.
ChooseWorksheet = Callable[[Sequence[Sequence[list[str]]]], int]


class UnreadableFile(OnboardingError):
    """The file cannot be read. The message states the reason."""


@dataclass(frozen=True)
class FileLine:
    """One row of the file. `number` is the row number that spreadsheet programs show."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """The rows that are not empty, and notes for the reader about assumptions."""

    lines: list[FileLine]
    notes: list[str] = field(default_factory=list)


def ignore_progress(done: int, total: int) -> None:
    """The callback of a caller that needs no progress."""


def first_worksheet(samples: Sequence[Sequence[list[str]]]) -> int:
    """The choice of a caller that knows no headings."""
    return 0


def unread_worksheets(titles: Sequence[str], chosen: int) -> list[str]:
    """A note about the worksheets that were not read, if there are any."""
    used = printable(titles[chosen])
    others = [printable(title) for place, title in enumerate(titles) if place != chosen]
    return [f"Only the worksheet “{used}” was read; “{'”, “'.join(others)}” was not."] * bool(
        others
    )


def too_many_rows() -> UnreadableFile:
    return UnreadableFile(f"This file has more than {MAX_ROWS:,} rows, the limit of a sheet.")
