"""Reads tables of the documentation, such as docs/reference/access.md, for generated tests."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "access.md"


def table_under(heading: str, page: Path = PAGE) -> list[dict[str, str]]:
    """The first table below a heading, as one mapping of column to cell for each row."""
    _, _, section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def methods_by_address() -> dict[str, dict[str, str]]:
    """The permission of each method of each address. An API address can have several rows."""
    found: dict[str, dict[str, str]] = {}
    for row in table_under("Addresses"):
        of_address = found.setdefault(row["address"].strip("`"), {})
        of_address |= dict.fromkeys(row["methods"].split(), row["permission"])
    return found


def is_yes(cell: str) -> bool:
    """Whether a cell is yes. Raises KeyError for anything but yes and no."""
    return {"yes": True, "no": False}[cell]
