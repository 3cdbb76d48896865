"""Each rule "at least one" or "at most n", with eight actions at the same time on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from onboarding.calendar_feeds import feeds
from onboarding.collaboration import evidence_files
from onboarding.errors import OnboardingError
from onboarding.lifecycle import exports, proposals
from onboarding.models import (
    CalendarFeed,
    Plan,
    SheetImport,
    Task,
    TemplateDraft,
    TenantExport,
)
from onboarding.plan_templates import drafts
from onboarding.plan_templates.registry import newest_template
from onboarding.plans import custom_tasks
from onboarding.plans.services import exempt_domain
from onboarding.portfolio.tenant_list import saved_views
from onboarding.requirements import imports
from tenants import api_tokens, invitations, people, provisioning_tokens
from tenants.errors import TenantError
from tenants.models import Host, Membership, Tenant, User
from tenants.webhooks import services
from tenants.webhooks.services import NewWebhook, create_webhook
from tests.factories import MakeTenant, task_of
from tests.interop.concurrency import run_concurrently
from tests.onboarding.requirements.sheet_rows import sheet_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
EIGHT = range(8)
Action = Callable[[int], object]


@pytest.fixture
def limited(make_tenant: MakeTenant) -> Tenant:
    """A tenant with eight domains, eight owners and eight administrators."""
    domains = [(f"d{n}.test", "secondary") for n in range(1, 8)]
    tenant = make_tenant("Limits", domains=(("d0.test", "primary"), *domains))
    for n in EIGHT:
        User.objects.create_user(
            f"a{n}@gangway.test", "pw", name=f"A{n}", staff_role="administrator"
        )
        owner = User.objects.create_user(f"o{n}@d0.test", "pw", name=f"O{n}")
        Membership.objects.create(tenant=tenant, user=owner, role="owner")
    return tenant


def _administrator(number: int) -> User:
    return User.objects.get(email=f"a{number % 8}@gangway.test")


def _membership(number: int) -> Membership:
    rows = Membership.objects.select_related("tenant", "user")
    return rows.get(user__email=f"o{number % 8}@d0.test")


def _administrators() -> int:
    return User.objects.filter(staff_role="administrator", is_active=True).count()


def _all_at_once(action: Action) -> int:
    """Call it eight times at once. Returns the number of calls without a refusal."""

    def attempt(number: int) -> bool:
        try:
            action(number)
        except (OnboardingError, TenantError):
            return False
        return True

    return sum(run_concurrently([lambda n=n: attempt(n) for n in EIGHT]))  # type: ignore[misc]


def test_last_administrator_stays(limited: Tenant) -> None:
    """Each demotes the next one."""

    def demote(number: int) -> None:
        people.change_staff(_administrator(number + 1), "manager", [], by=_administrator(number))

    assert _all_at_once(demote) == 7
    assert _administrators() == 1


def test_last_active_administrator_stays(limited: Tenant) -> None:
    done = _all_at_once(
        lambda number: people.deactivate(_administrator(number + 1), by=_administrator(number))
    )

    assert (done, _administrators()) == (7, 1)


@pytest.mark.parametrize("is_removal", [True, False])
def test_last_owner_stays(limited: Tenant, *, is_removal: bool) -> None:
    before = {number: _membership(number) for number in EIGHT}

    def act(number: int) -> None:
        target, by = before[(number + 1) % 8], before[number].user
        if is_removal:
            people.remove_member(target, by=by)
        else:
            people.change_role(target, "viewer", by=by)

    assert _all_at_once(act) == 7
    assert people.owners_of(limited).count() == 1


def test_tenant_has_one_export(limited: Tenant) -> None:
    by = _administrator(0)

    assert _all_at_once(lambda number: exports.request_export(limited, by=by)) == 8
    assert TenantExport.objects.filter(tenant=limited).count() == 1


def test_person_has_one_import_preview(limited: Tenant) -> None:
    sheet, by = sheet_of(limited), _administrator(0)
    SheetImport.objects.create(sheet=sheet, name="a", content=b"a", created_by=by, status="ready")

    def start(number: int) -> None:
        job = imports.create_import(sheet, name="rows", content=b"a@outside.test", by=by)
        imports.read_import(job)

    _all_at_once(start)
    imports.create_import(sheet, name="last", content=b"b@outside.test", by=by)

    assert SheetImport.objects.filter(sheet=sheet, created_by=by).count() == 1


def test_twenty_hosts_are_proposed_at_most(limited: Tenant) -> None:
    by = _membership(0).user

    def propose(number: int) -> None:
        proposals.add_host(limited, name=f"mx{number}.d0.test", port=25, by=by, decides=False)

    for number in range(100, 117):
        propose(number)

    assert _all_at_once(propose) == 3
    assert Host.objects.filter(tenant=limited).count() == 20


def _add_token(tenant: Tenant, number: int) -> None:
    until = timezone.now() + timedelta(days=1)
    api_tokens.issue(owner=_administrator(0), name=f"t{number}", scope="read", expires_at=until)


def _add_webhook(tenant: Tenant | None, number: int) -> None:
    entry = NewWebhook(f"w{number}", "https://hooks.example.com/x", "json", ["task.changed"])
    create_webhook(tenant, entry, site="https://gangway.test", by=_administrator(number))


def _add_view(tenant: Tenant, number: int) -> None:
    saved_views.create_view(
        f"v{number}", "", is_shared=False, is_default=False, by=_administrator(0)
    )


def _add_custom_task(tenant: Tenant, number: int) -> None:
    plan = Plan.objects.select_related("tenant").get(tenant=tenant)
    content = custom_tasks.CustomTaskContent("onboarding-review", "Tell the service desk")
    custom_tasks.add_task(plan, content, by=_administrator(number))


def _add_file(tenant: Tenant, number: int) -> None:
    task = Task.objects.select_related("plan__tenant").filter(plan__tenant=tenant)[5]
    upload = SimpleUploadedFile("note.txt", b"note")
    evidence_files.store_file(task, upload, by=_administrator(number))


def _invite(tenant: Tenant, number: int) -> None:
    """One sender, one address, and a tenant for each invitation."""
    other = Tenant.objects.create(name=f"T{number}")
    invitations.invite(other, "new@outside.test", "member", by=_administrator(0))


# Each rule "at most n rows", by module and constant, with a call that adds one row.
LIMITS: dict[tuple[str, str], Callable[[Tenant, int], object]] = {
    ("tenants.api_tokens", "MOST_TOKENS"): _add_token,
    ("tenants.provisioning_tokens", "MOST_TOKENS"): lambda tenant, number: (
        provisioning_tokens.issue(by=_administrator(number))
    ),
    ("tenants.webhooks.services", "MOST_WEBHOOKS"): _add_webhook,
    ("tenants.invitations", "MAX_EMAILS_A_DAY"): _invite,
    ("onboarding.calendar_feeds.feeds", "MOST_FEEDS"): lambda tenant, number: feeds.create_feed(
        CalendarFeed.Scope.OWN, tenant=None, site="https://gangway.test", by=_administrator(0)
    ),
    ("onboarding.portfolio.tenant_list.saved_views", "MOST_VIEWS"): _add_view,
    ("onboarding.plans.custom_tasks", "MAX_CUSTOM_TASKS"): _add_custom_task,
    ("onboarding.collaboration.evidence_files", "MAX_FILES_PER_TASK"): _add_file,
}


@pytest.mark.parametrize(("module", "constant"), LIMITS)
def test_no_limit_is_exceeded(
    limited: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Path,
    module: str,
    constant: str,
) -> None:
    settings.FILES_DIR = tmp_path
    monkeypatch.setattr(import_module(module), constant, 3)
    add = LIMITS[module, constant]

    assert _all_at_once(lambda number: add(limited, number)) == 3


def test_webhooks_of_all_tenants_have_a_limit(
    limited: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_WEBHOOKS", 3)

    assert _all_at_once(lambda number: _add_webhook(None, number)) == 3


def test_last_domain_stays_in_scope(limited: Tenant) -> None:
    task = Task.objects.filter(plan__tenant=limited, is_per_domain=True, applies=True)[0]
    domains = list(limited.domains.filter(role__in=task.domain_roles))

    def exempt(number: int) -> None:
        again = task_of(limited, task.key)
        exempt_domain(again, domains[number], by=_administrator(number), reason="Sold.")

    assert (len(domains), _all_at_once(exempt)) == (8, 7)


def test_installation_has_one_draft(limited: Tenant) -> None:
    base = newest_template()
    assert base is not None

    assert _all_at_once(lambda n: drafts.create_draft(base, by=_administrator(n))) == 1
    assert TemplateDraft.objects.count() == 1
