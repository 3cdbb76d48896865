"""The checklist of the first run. Its state comes from the data, not from stored ticks.

The review of the region values and the end of the checklist are decisions, which no data proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from tenants import second_factor
from tenants.installation_setup import decisions, mail_tests
from tenants.installation_setup.mail_tests import MailTestResult
from tenants.models import SetupDecision, Tenant, User

# As many names as one line shows.
_SHOWN = 3


@dataclass(frozen=True)
class SetupStep:
    """One row of the checklist. `key` names its part of the page."""

    key: str
    is_done: bool
    is_optional: bool = False
    has_caution: bool = False
    is_in_progress: bool = False

    @property
    def shape(self) -> str:
        """The shape of components/verdict.html."""
        if self.is_done:
            return "caution" if self.has_caution else "pass"
        return "waiting" if self.is_in_progress else "todo"


@dataclass(frozen=True)
class SetupChecklist:
    """The steps with the data that the page shows next to them."""

    steps: Sequence[SetupStep]
    administrators: Sequence[User]
    without_factor: Sequence[User]
    mail: MailTestResult | None
    sends_to_people: bool
    compiled: date
    review: SetupDecision | None
    colleagues: int
    colleague_names: Sequence[str]
    first_tenant: Tenant | None
    is_finished: bool

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_complete(self) -> bool:
        """Whether only optional steps are open."""
        return all(step.is_done or step.is_optional for step in self.steps)

    @property
    def next_key(self) -> str:
        """The first open step; empty if none is open."""
        return next((step.key for step in self.steps if not step.is_done), "")


def checklist() -> SetupChecklist:
    """The checklist of this installation, as it is now."""
    administrators = list(decisions.administrators())
    colleagues = _colleagues()
    review, compiled = decisions.region_review(), decisions.compiled_on()
    mail = mail_tests.newest_result()
    without = [each for each in administrators if not second_factor.has_second_factor(each)]
    first_tenant = Tenant.objects.order_by("created_at", "pk").first()
    sends = mail_tests.sends_to_people()
    steps = (
        SetupStep("administrator", bool(administrators)),
        SetupStep("second-factor", bool(administrators) and not without),
        SetupStep(
            "mail",
            mail is not None and mail.is_accepted,
            has_caution=not sends,
            is_in_progress=mail is not None and mail.is_in_progress,
        ),
        SetupStep("regions", review is not None and review.subject == compiled),
        SetupStep("colleagues", colleagues.exists(), is_optional=True),
        SetupStep("tenant", first_tenant is not None),
    )
    return SetupChecklist(
        steps=steps,
        administrators=administrators,
        without_factor=without,
        mail=mail,
        sends_to_people=sends,
        compiled=date.fromisoformat(compiled),
        review=review,
        colleagues=colleagues.count(),
        colleague_names=[each.name for each in colleagues[:_SHOWN]],
        first_tenant=first_tenant,
        is_finished=decisions.is_finished(),
    )


def _colleagues() -> QuerySet[User]:
    """The staff who can sign in, without the first administrator."""
    first = decisions.administrators().values("pk")[:1]
    staff = User.objects.filter(is_active=True).exclude(staff_role=User.StaffRole.NONE)
    return staff.exclude(pk__in=first).order_by("created_at", "pk")
