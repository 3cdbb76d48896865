"""The state of a source for its page: exports, checks, and the reason to request a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.engine.sources.rules import ProofSource
from checks.models import Check, SubmittedExport
from checks.submitted_exports import latest_exports
from onboarding.plans.current_state import CurrentState
from onboarding.plans.export_requests import ReasonForExport, export_request
from onboarding.plans.tenant_page import TenantPage
from onboarding.platform_exports.problems import problem_sentence


@dataclass(frozen=True)
class ExportRow:
    """One submitted export with the sentence about its problem, empty for a readable one."""

    export: SubmittedExport
    problem: str


@dataclass(frozen=True)
class SourceState:
    """A source of a tenant. `newest` is the export whose facts the checks judge."""

    source: ProofSource
    rows: Sequence[ExportRow]
    checks: Sequence[tuple[Check, CurrentState]]
    newest: SubmittedExport | None
    request: ReasonForExport | None

    @property
    def waiting(self) -> SubmittedExport | None:
        """The export that no worker has read yet."""
        return next((row.export for row in self.rows if row.export.read_at is None), None)


def source_state(page: TenantPage, source: ProofSource, *, now: datetime) -> SourceState:
    """The state of a source, with the current states of its checks."""
    exports = latest_exports(page.tenant, source)
    readable = [export for export in exports if export.obtained_at is not None]
    newest = max(readable, key=lambda export: export.obtained_at or now, default=None)
    kinds = {kind.value for kind in source.kinds}
    checks = [check for check in page.plan_context.checks if check.kind in kinds]
    return SourceState(
        source,
        [ExportRow(each, problem_sentence(each.problem, each.problem_detail)) for each in exports],
        [(check, page.state_of(check)) for check in checks],
        newest,
        export_request(
            newest.obtained_at if newest is not None else None,
            page.plan_context.switched_at,
            now=now,
        ),
    )
