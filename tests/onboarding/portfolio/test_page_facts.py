"""Numbers, labels and sentences of pages that must agree with each other."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.lifecycle.forms.profile import ProfileForm
from onboarding.lifecycle.new_profile_suggestions import suggest_profile
from onboarding.models import Cutover, CutoverVote, OnCall, Phase, PlanFigures, Task
from onboarding.portfolio import risk_updates
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.portfolio.test_gantt import chart_of

DAY = timedelta(days=1)


def html_of(user: User, signed_in: SignIn, name: str, *ids: str, query: str = "") -> str:
    address = reverse(f"onboarding:{name}", args=ids) + query
    return signed_in(user).get(address).content.decode()


def cell_of(page: str, column: str) -> str:
    """The text of the only cell of the column."""
    (cell,) = re.findall(rf'data-column="{column}"[^>]*>(.*?)</td>', page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", cell).split())


# --- Dashboard


@pytest.mark.parametrize(
    ("query", "is_filtered"),
    [("", False), ("?calendar=quarter", False), ("?calendar=quarter&show=risk", True)],
)
def test_calendar_is_no_filter(
    tenant: Tenant, manager: User, signed_in: SignIn, query: str, is_filtered: bool
) -> None:
    (chips,) = texts(html_of(manager, signed_in, "dashboard", query=query), "#list")

    assert ("Show all" in chips, "the filters" in chips) == (is_filtered, is_filtered)


def test_quarter_has_its_own_heading(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    page = html_of(manager, signed_in, "dashboard", query="?calendar=quarter")

    (heading,) = texts(page, "#cutovers-by-day-title")
    assert re.fullmatch(r"Cutovers by week, \d+ \w+ to \d+ \w+ \d{4}", heading)


@pytest.mark.parametrize(
    ("slip", "late", "shown"), [(3, 9, "+3 days"), (None, 2, "+2 days"), (None, None, "–")]
)
def test_list_and_dashboard_show_one_slip(
    tenant: Tenant,
    consultant: User,
    signed_in: SignIn,
    slip: int | None,
    late: int | None,
    shown: str,
) -> None:
    risk_updates.update([tenant.pk])
    PlanFigures.objects.filter(plan=tenant.plan).update(slip_days=slip, late_days=late)
    query = "?column=forecast&column=slip"

    page = html_of(consultant, signed_in, "tenant-list", query=query)
    forecasts = html_of(consultant, signed_in, "dashboard-forecasts")

    in_list = cell_of(page, "Against the schedule")
    assert (in_list, cell_of(forecasts, "Slip")) == (shown, shown.replace(" days", " d"))


# --- Schedule


def test_phase_without_tasks_has_a_dash(tenant: Tenant) -> None:
    phase = Phase.objects.filter(plan=tenant.plan).earliest("position")
    Phase.objects.filter(pk=phase.pk).update(tasks_total=0, tasks_complete=0)

    labels = {row.title: row.label for row in chart_of(tenant).rows if row.phase}

    assert labels[phase.title] in ("–", "")
    assert "0 of 0" not in labels.values()


def test_critical_path_counts_tasks(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    page = html_of(consultant, signed_in, "schedule", tenant.public_id)

    assert re.search(r"Critical path:\s+\d+ tasks", page)


# --- New tenant


def test_empty_choices_are_sentences(db: None) -> None:
    form = ProfileForm()

    first = {name: str(form[name]).split("</option>")[0] for name in ("platform", "consultant")}
    assert first["platform"].endswith("Choose a platform")
    assert first["consultant"].endswith("No consultant")
    assert "---" not in "".join(str(field) for field in form)


def test_scan_without_answers_found_nothing(tenant: Tenant) -> None:
    assert suggest_profile(["one.test"], {"one.test": None}).has_found is False


# --- The client's home


@pytest.fixture
def planned(tenant: Tenant, owner: User, consultant: User) -> Cutover:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    cutover = cutover_of(tenant, "outbound", timezone.now() + 3 * DAY)
    cutover.mimecast_approver, cutover.client_approver = consultant, owner
    cutover.save(update_fields=["mimecast_approver", "client_approver"])
    return cutover


def test_requested_vote_is_on_the_home(
    planned: Cutover, owner: User, viewer: User, signed_in: SignIn
) -> None:
    seen = {
        user.email: "needs your vote" in html_of(user, signed_in, "my-tasks", _id(planned))
        for user in (owner, viewer)
    }

    CutoverVote.objects.create(
        cutover=planned,
        window_start=planned.planned_at,
        round=planned.round,
        side="client",
        by=owner,
        is_go=True,
    )
    voted = html_of(owner, signed_in, "my-tasks", _id(planned))
    assert seen == {owner.email: True, viewer.email: False}
    assert "needs your vote" not in voted


def test_phone_of_the_consultant_is_shown(
    planned: Cutover, owner: User, consultant: User, signed_in: SignIn
) -> None:
    OnCall.objects.create(cutover=planned, user=consultant, phone="+1 212 555 0143")

    page = html_of(owner, signed_in, "my-tasks", _id(planned))

    assert texts(page, "address")[0].endswith("+1 212 555 0143")
    assert 'href="tel:+12125550143"' in page


def test_heading_counts_all_tasks(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    Task.objects.filter(plan=tenant.plan).update(depends_on=[])

    page = html_of(owner, signed_in, "my-tasks", tenant.public_id)

    number = re.search(r"(\d+)\s+tasks need\s+you", page)
    more = re.search(r"(\d+) more tasks? after these", page)
    assert number is not None
    assert more is not None
    assert int(number[1]) == int(more[1]) + 3


def _id(cutover: Cutover) -> str:
    return cutover.plan.tenant.public_id


# --- Every page


@pytest.mark.parametrize("name", ["my-tasks", "plan-show", "domains", "schedule", "requirements"])
def test_headings_skip_no_level(
    tenant: Tenant, consultant: User, signed_in: SignIn, name: str
) -> None:
    page = html_of(consultant, signed_in, name, tenant.public_id)

    levels = [int(level) for level in re.findall(r"<h([1-6])\b", page)]
    steps = [later - earlier for earlier, later in itertools.pairwise(levels)]
    assert [step for step in steps if step > 1] == []
    assert len(levels) > 1


@pytest.mark.parametrize(
    "name", ["account_login", "account_reset_password", "account_request_login_code"]
)
def test_address_has_one_spelling(client: Client, db: None, name: str) -> None:
    page = client.get(reverse(name)).content.decode()

    assert 'placeholder="E-mail address"' in page
    assert "Email address" not in page
