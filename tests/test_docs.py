"""The reference pages list exactly what the code has."""

from __future__ import annotations

import re

from checks.engine.outcomes import CheckKind
from checks.scheduling import Interval
from onboarding.models import TaskRole, TaskStatus
from tenants.activity_names import ActivityName
from tests.bench.__main__ import PARTS
from tests.prose import CHECKOUT

DOCS = CHECKOUT / "docs"


def first_cells(page: str) -> set[str]:
    """The code spans in the first column of a page's tables."""
    text = (DOCS / page).read_text(encoding="utf-8")
    cells = re.findall(r"(?m)^\| (`[^|]+`) \|", text)
    return {span for cell in cells for span in re.findall(r"`([^`]+)`", cell)}


def test_settings_page_is_complete() -> None:
    sources = [(CHECKOUT / "config" / f"{name}.py") for name in ("settings", "env")]
    read = {
        name
        for source in sources
        for name in re.findall(
            r"(?:env\.\w+|\btext|environ\.get)\(\s*\"([A-Z][A-Z_]+)\"", source.read_text()
        )
    }

    assert first_cells("reference/settings.md") == read


def test_performance_page_lists_every_bar() -> None:
    text = (DOCS / "topics" / "performance.md").read_text(encoding="utf-8")
    defined = re.findall(r"(?m)^\| (P\d+) \| (?=.* \| .* \|$)", text.split("## Bars")[1])[:14]

    assert defined == [f"P{number}" for number in range(1, 15)]
    assert first_cells("topics/performance.md") >= PARTS.keys()


def test_every_check_kind_has_a_page() -> None:
    pages = {page.stem for page in (DOCS / "reference" / "checks").glob("*.md")}

    assert pages == {kind.value for kind in CheckKind} | {"README", "discovery", "partner_tls"}


def test_checks_page_lists_every_interval() -> None:
    intervals = {interval.value for interval in Interval}

    assert first_cells("topics/checks-and-settling.md") == intervals


def test_tasks_diagram_shows_every_status() -> None:
    text = (DOCS / "topics" / "tasks.md").read_text(encoding="utf-8")
    diagram = text.split("```mermaid")[1].split("```")[0]
    shown = {name for pair in re.findall(r"(\w+) --> (\w+)", diagram) for name in pair}

    assert shown == {status.value for status in TaskStatus}


def test_activity_page_lists_every_action() -> None:
    assert first_cells("reference/activity.md") == set(ActivityName.values)


def test_templates_page_lists_every_role() -> None:
    roles = {role.value for role in TaskRole if not role.sheet_kind}

    assert first_cells("topics/plan-templates.md") == roles | {"gathers:…"}
