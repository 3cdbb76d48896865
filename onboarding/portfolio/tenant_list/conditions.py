"""The filters of the list of tenants, for the page, its exports and the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import django_filters
from django.db.models import F, Q, QuerySet
from django_filters.fields import MultipleChoiceField

from onboarding.models import PlanRisk, Responsibility
from onboarding.portfolio import filters
from onboarding.portfolio.search import MAX_LENGTH
from onboarding.requirements.cell_types import printable
from tenants import database_time
from tenants.models import Domain, Platform, Tenant, User
from tenants.queries import condition_of_staffed_tenants, is_staff_everywhere
from tenants.regions import load_regions

ME, NONE, ANY = "me", "none", "any"
STATUSES = {
    "active": "In progress",
    "complete": "Complete",
    "closed": "Closed",
    "drifted": "Drift since go-live",
}
# The next cutover: its window begins within so many days, or one of the other states.
_DAYS = {"7": 7, "14": 14, "30": 30}
NEXT_CUTOVERS = {
    "7": "In the next 7 days",
    "14": "In the next 14 days",
    "30": "In the next 30 days",
    "later": "Later",
    "overdue": "Overdue",
    NONE: "Not planned",
}
RISKS = {ANY: "At risk", NONE: "No risk", **dict(PlanRisk.Code.choices)}
SIDES = {Responsibility.MIMECAST.value: "Mimecast", Responsibility.CLIENT.value: "Client"}


class _TextsField(MultipleChoiceField):  # type: ignore[misc]  # django-filter is untyped
    """Several values. An unknown one is no error: it matches no tenant."""

    def valid_value(self, value: str) -> bool:
        return len(value) <= MAX_LENGTH and printable(value) == value


class TextsFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]  # as above
    """Values that are rows, such as consultants: a stored view must not widen when one is gone."""

    field_class = _TextsField


def _choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    return list(labels.items())


class TenantConditions(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    """Several values of one filter widen it; several filters narrow the list."""

    q = django_filters.CharFilter(
        label="Search",
        method="filter_text",
        max_length=MAX_LENGTH,
        help_text="Terms in the name of the tenant or a domain",
    )
    status = django_filters.MultipleChoiceFilter(
        label="Status", choices=_choices(STATUSES), method="filter_status"
    )
    risk = django_filters.MultipleChoiceFilter(
        label="Risk", choices=_choices(RISKS), method="filter_risk"
    )
    waiting_on = django_filters.MultipleChoiceFilter(
        label="Waiting on", choices=_choices(SIDES), method="filter_waiting_on"
    )
    phase = TextsFilter(
        label="Phase", method="filter_phase", help_text="The key of the current phase"
    )
    next_cutover = django_filters.MultipleChoiceFilter(
        label="Next cutover", choices=_choices(NEXT_CUTOVERS), method="filter_next_cutover"
    )
    region = django_filters.MultipleChoiceFilter(
        label="Region",
        choices=lambda: [(r.id, r.name) for r in load_regions().values()],
        distinct=False,
    )
    platform = django_filters.MultipleChoiceFilter(
        label="Platform", choices=Platform.choices, distinct=False
    )
    consultant = TextsFilter(
        label="Consultant",
        method="filter_consultant",
        help_text="The id of a consultant, “me”, or “none” for no consultant",
    )

    class Meta:
        model = Tenant
        fields: list[str] = []

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._person = person
        self.now = database_time.now()

    @property
    def person(self) -> User:
        """The reader, whom the consultant “me” means."""
        reader = self._person or self.request.user
        assert isinstance(reader, User)
        return reader

    def filter_text(self, tenants: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        """Tenants whose name contains each term, or who have a domain that does."""
        for word in printable(value).split():
            domains = Domain.objects.filter(name__icontains=word)
            tenants = tenants.filter(Q(name__icontains=word) | Q(pk__in=domains.values("tenant")))
        return tenants

    def filter_status(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        is_open, has_open_tasks = Q(closed_at__isnull=True), filters.active()
        return tenants.filter(
            _any_of(
                value,
                {
                    "active": is_open & has_open_tasks,
                    "complete": is_open & Q(plan__tasks_complete__gte=F("plan__tasks_total")),
                    "closed": ~is_open,
                    "drifted": filters.drifted(self.now),
                },
            )
        )

    def filter_risk(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        codes = [code for code in value if code not in (ANY, NONE)]
        wanted = Q(pk__in=[])
        if ANY in value:
            wanted |= filters.at_risk()
        elif codes:
            wanted |= filters.at_risk(code__in=codes)
        if NONE in value:
            wanted |= ~filters.at_risk()
        return tenants.filter(wanted & self._is_staffed) if value else tenants

    def filter_waiting_on(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        sides = {side: filters.active() & filters.waiting_on(side) for side in SIDES}
        return tenants.filter(_any_of(value, sides) & self._is_staffed) if value else tenants

    @property
    def _is_staffed(self) -> Q:
        """The condition of the filters about facts for staff: no other tenant matches them."""
        if is_staff_everywhere(self.person):
            return Q()
        return condition_of_staffed_tenants(self.person, "")

    def filter_phase(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        return tenants.filter(plan__figures__current_phase__in=value) if value else tenants

    def filter_next_cutover(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        return tenants.filter(_any_of(value, _next_cutovers(self.now)))

    def filter_consultant(
        self, tenants: QuerySet[Tenant], name: str, value: Sequence[str]
    ) -> QuerySet[Tenant]:
        wanted = Q(pk__in=[])
        if ME in value:
            wanted |= Q(consultant=self.person)
        if NONE in value:
            wanted |= Q(consultant__isnull=True)
        others = [each for each in value if each not in (ME, NONE)]
        if others:
            wanted |= Q(consultant__public_id__in=others)
        return tenants.filter(wanted) if value else tenants


def _any_of(value: Sequence[str], conditions: dict[str, Q]) -> Q:
    """The union of the chosen conditions; no condition without a choice."""
    wanted = Q()
    for each in value:
        wanted |= conditions[each]
    return wanted


def _next_cutovers(now: datetime) -> dict[str, Q]:
    starts = "plan__figures__next_cutover_at"
    farthest = max(_DAYS.values())
    within = {
        key: Q(**{f"{starts}__gte": now, f"{starts}__lt": now + timedelta(days=days)})
        for key, days in _DAYS.items()
    }
    return within | {
        "later": Q(**{f"{starts}__gte": now + timedelta(days=farthest)}),
        "overdue": Q(**{f"{starts}__lt": now}),
        NONE: Q(**{f"{starts}__isnull": True}),
    }


class TenantListFilter(TenantConditions):
    """The filters of the page. Without a status it shows open tenants only.

    A value that no filter knows matches no tenant, so that a mistyped address does not show all.
    """

    def filter_queryset(self, queryset: QuerySet[Tenant]) -> QuerySet[Tenant]:
        if self.form.errors:
            return queryset.none()
        found: QuerySet[Tenant] = super().filter_queryset(queryset)
        if self.form.cleaned_data.get("status"):
            return found
        return found.filter(closed_at__isnull=True)
