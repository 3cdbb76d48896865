"""The sentence about an export that a worker could not read, with the way to a readable one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_RUN_SCRIPT = "Run the script of this page, and submit the file that it writes."
_PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "too-large": f"The export has more than 2 MB. {_RUN_SCRIPT}",
        "encoding": "The text is neither UTF-8 nor UTF-16. Submit the file itself, unchanged.",
        "empty": "The file is empty. The script may have stopped before its end.",
        "format-list": "This is the output of Format-List, which cuts long lists. " + _RUN_SCRIPT,
        "not-json": "The text is no complete JSON object, so a part may be missing. " + _RUN_SCRIPT,
        "html": f"This is a web page, not an export. {_RUN_SCRIPT}",
        "clixml": f"The XML file is damaged or too deeply nested. {_RUN_SCRIPT}",
        "depth": "The export was written with too small a depth, so that lists are cut ({detail})."
        " Use ConvertTo-Json -Depth 6, or the script of this page.",
        "too-many": "The table {detail} has more rows or entries than Gangway reads.",
        "no-tables": f"The export has none of the expected tables. {_RUN_SCRIPT}",
        "replaced": "A later export replaced it.",
    }
)


def problem_sentence(problem: str, detail: str) -> str:
    """The sentence for a problem code; empty for a readable export."""
    if not problem:
        return ""
    return _PROBLEMS.get(problem, _RUN_SCRIPT).replace("{detail}", detail)
