"""Each rule "at least one" or "at most n", with eight actions at the same time on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from onboarding.collaboration import evidence_files
from onboarding.errors import OnboardingError
from onboarding.lifecycle import exports, proposals
from onboarding.models import (
    EvidenceFile,
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
from onboarding.requirements import imports
from tenants import people
from tenants.errors import TenantError
from tenants.models import Host, Membership, Tenant, User
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


def test_twentieth_file_is_the_last(limited: Tenant, settings: object, tmp_path: object) -> None:
    settings.FILES_DIR = tmp_path  # type: ignore[attr-defined]
    task = Task.objects.select_related("plan__tenant").filter(plan__tenant=limited)[5]
    by = _administrator(0)

    def add(number: int) -> None:
        evidence_files.store_file(task, SimpleUploadedFile("note.txt", b"note"), by=by)

    for number in range(17):
        add(number)

    assert _all_at_once(add) == 3
    assert EvidenceFile.objects.filter(task=task).count() == 20


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


def test_custom_tasks_have_a_limit(limited: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_tasks, "MAX_CUSTOM_TASKS", 3)
    plan = Plan.objects.select_related("tenant").get(tenant=limited)
    content = custom_tasks.CustomTaskContent("onboarding-review", "Tell the service desk")

    assert _all_at_once(lambda n: custom_tasks.add_task(plan, content, by=_administrator(n))) == 3
    assert Task.objects.filter(plan=plan, is_custom=True).count() == 3


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
