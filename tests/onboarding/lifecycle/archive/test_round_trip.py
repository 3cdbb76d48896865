"""Export, import, export: equal archives, an intact log, and no access for anybody."""

from __future__ import annotations

import io
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.claims import claim_due_checks
from checks.models import Check, RawAnswers
from onboarding.collaboration import file_store
from onboarding.lifecycle.archive.comparison import differences
from onboarding.lifecycle.archive.starting import start_checks
from onboarding.lifecycle.archive.tables import FILE_ORDER, TABLES
from onboarding.lifecycle.closing import reopen_tenant
from onboarding.lifecycle.tasks import reconcile, reconcile_tenant
from onboarding.models import CalendarFeed, EvidenceFile, PlanTemplate, ShareLink, Task
from onboarding.plan_templates.registry import newest_template
from onboarding.plan_templates.upgrade import newer_versions
from tenants import people
from tenants.activity_names import ActivityName
from tenants.log_verification import Head, compare_with, current_heads, verify_logs
from tenants.models import (
    ActivityChain,
    ActivityLine,
    ApiToken,
    ErasurePermit,
    Host,
    Invitation,
    Membership,
    ProvisionedPerson,
    Tenant,
    User,
    Webhook,
)
from tenants.permissions import role_in
from tenants.services import write_activity
from tests.factories import MakeTenant
from tests.onboarding.lifecycle.archive.worlds import (
    archive_of,
    edited,
    erased,
    imported,
    rich_tenant,
    tables_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# Texts that only people read. Other columns have codes, names and addresses.
_FREE_TEXT = ("body", "comment", "reason", "summary", "instructions", "availability", "note")


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path
    return tmp_path


def _differences(first: bytes, second: bytes) -> list[str]:
    return differences(io.BytesIO(first), io.BytesIO(second))


def _faults() -> list[str]:
    return [report.fault for report in verify_logs() if report.fault]


def _moved(tenant: Tenant, administrator: User, on_commit: Any) -> tuple[bytes, Tenant]:
    """Export the tenant, erase it, and import it into the empty installation."""
    with on_commit(execute=True):
        first = archive_of(tenant)
        erased(tenant, administrator)
    with on_commit(execute=True):
        return first, imported(first, by=administrator)


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Any) -> Any:
    return django_capture_on_commit_callbacks


def _scramble(tenant: Tenant, chosen: random.Random) -> None:
    """Give every free text of the tenant other characters, and every time other microseconds."""
    for table in TABLES:
        if table.name == "activity":
            continue
        for row in table.rows_of(tenant):
            changed = {}
            for column in table.columns:
                if isinstance(column, models.DateTimeField) and getattr(row, column.name):
                    shift = timedelta(microseconds=chosen.randrange(10**6))
                    changed[column.name] = getattr(row, column.name) + shift
                elif (
                    column.name.endswith(_FREE_TEXT)
                    and not column.choices
                    and isinstance(getattr(row, column.name) or None, str)
                ):
                    text = "".join(chosen.choice("aé\u202e\u2028😀\"\\\n<'") for _ in range(20))
                    changed[column.name] = text
            if changed:
                table.model._base_manager.filter(pk=row.pk).update(**changed)


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (2, 3))]
)
def test_archives_are_equal(make_tenant: MakeTenant, on_commit: Any, seed: int) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
        _scramble(tenant, random.Random(seed))
    first, arrived = _moved(tenant, administrator, on_commit)
    second = archive_of(arrived)
    with on_commit(execute=True):
        erased(arrived, administrator)
        third = archive_of(imported(second, by=administrator))

    tables = tables_of(first)
    assert [name for name in FILE_ORDER if not tables[name]] == []
    assert (_differences(first, second), _differences(second, third)) == ([], [])
    assert _faults() == []


def test_differences_are_named(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, _ = rich_tenant(make_tenant)
        first = archive_of(tenant)

    def edit(tables: Any) -> None:
        tables["comments"][0]["body"] = "Other."
        tables["holidays"].clear()
        tables["memberships"].append(tables["memberships"][0])
        tables["activity"].pop()

    assert _differences(first, edited(first, edit)) == [
        f"Row {len(tables_of(first)['activity'])} of “activity” is only in the first archive.",
        "Row 1 of “comments” differs.",
        "Row 1 of “holidays” is only in the first archive.",
        "Row 3 of “memberships” is only in the second archive.",
    ]


def test_log_continues_with_the_import(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    published = [head for head in current_heads() if head.scope == tenant.public_id]
    before = list(ActivityLine.objects.filter(tenant=tenant).values_list("hash", flat=True))
    _, arrived = _moved(tenant, administrator, on_commit)

    lines = ActivityLine.objects.filter(tenant=arrived).order_by("number")
    assert [line.hash for line in lines][:-1] == before[::-1]
    assert [line.name for line in lines][-1] == "tenant-imported"
    assert list(compare_with(published)) == []
    other = Head(published[0].scope, published[0].length, "0" * 64)
    assert [each.fault for each in compare_with([other])] == [
        f"line {other.length} differs from the published head"
    ]
    of_installation = ActivityLine.objects.filter(tenant=None, action="tenant-imported").get()
    assert of_installation.params["imported"] == arrived.public_id
    assert _faults() == []


def test_other_author_of_a_line_is_detected(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _moved(tenant, administrator, on_commit)

    User.objects.filter(origin_id=administrator.public_id).update(origin_id="somebody")

    assert [fault.endswith("was altered") for fault in _faults()] == [True]


def test_lost_log_of_an_imported_tenant_is_reported(
    make_tenant: MakeTenant, on_commit: Any
) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _, arrived = _moved(tenant, administrator, on_commit)
    published = [head for head in current_heads() if head.scope == arrived.public_id]

    # An attacker who can delete rows.
    ErasurePermit.objects.create(tenant=arrived)
    ActivityLine.objects.filter(tenant=arrived).delete()
    ActivityChain.objects.filter(scope=arrived.public_id).delete()
    ErasurePermit.objects.all().delete()

    assert _faults() == ["its log is missing"]
    assert [each.fault for each in compare_with(published)] == [
        f"its log is missing, which had {published[0].length} lines"
    ]


def test_nobody_gains_access(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    stranger = User.objects.create_user("new@one.test", "pw", name="Own Er")
    first = archive_of(tenant)
    with on_commit(execute=True):
        erased(tenant, administrator)
    before = list(User.objects.order_by("pk").values())

    def promote(tables: Any) -> None:
        for person in tables["people"]:
            person["email"] = "new@one.test"

    with on_commit(execute=True):
        arrived = imported(edited(first, promote), by=administrator)

    assert list(User.objects.filter(origin_id="").order_by("pk").values()) == before
    members = User.objects.filter(memberships__tenant=arrived)
    assert {role_in(user, arrived) for user in members} == {None}
    assert role_in(stranger, arrived) is None
    assert not Membership.objects.filter(tenant=arrived, user__is_active=True).exists()
    assert {user.has_usable_password() for user in members} == {False}


def test_imported_person_cannot_be_activated(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _moved(tenant, administrator, on_commit)
    person = User.objects.filter(staff_role="consultant").exclude(origin_id="")[0]

    with pytest.raises(people.PeopleError, match="never gets access"):
        people.activate(person, by=administrator)
    with pytest.raises(people.PeopleError, match="never gets access"):
        people.change_staff(person, "administrator", [], by=administrator)
    person.refresh_from_db()
    assert (person.is_active, person.staff_role) == (False, "consultant")


def test_no_check_runs_before_a_reopening(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _, arrived = _moved(tenant, administrator, on_commit)
    later = timezone.now() + timedelta(days=400)
    Check.objects.filter(tenant=arrived).update(next_due_at=timezone.now())
    reconcile()
    reconcile_tenant(arrived.pk)
    held = claim_due_checks(now=later)
    statuses = list(Task.objects.filter(plan__tenant=arrived).values_list("status", flat=True))

    arrived.refresh_from_db()
    assert (arrived.is_closed, arrived.is_checked, held) == (True, False, [])
    assert statuses.count("verified") == 0
    reopen_tenant(arrived, by=administrator, reason="It starts here.")
    active = Check.objects.filter(tenant=arrived, is_active=True)
    claimed = {pk for batch in claim_due_checks(now=later) for pk in batch.check_ids}
    assert claimed >= set(
        active.exclude(kind__in=("message", "delivery_message")).values_list("pk", flat=True)
    )
    assert claimed != set()


def test_completed_tenant_waits_for_its_start(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
        now = timezone.now()
        Tenant.objects.filter(pk=tenant.pk).update(closed_at=now, completed_at=now)
        tenant.refresh_from_db()
    first, arrived = _moved(tenant, administrator, on_commit)
    later = timezone.now() + timedelta(days=400)

    assert _differences(first, archive_of(arrived)) == []
    assert (arrived.is_checked, claim_due_checks(now=later)) == (False, [])
    start_checks(arrived, by=administrator)
    assert (Tenant.objects.get(pk=arrived.pk).is_checked, claim_due_checks(now=later) != []) == (
        True,
        True,
    )


def test_consents_are_not_imported(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    had = Host.objects.filter(tenant=tenant, consented_at__isnull=False).count()
    _, arrived = _moved(tenant, administrator, on_commit)

    assert had == 1
    assert not Host.objects.filter(tenant=arrived, consented_at__isnull=False).exists()


def test_files_are_stored_with_their_bytes(
    make_tenant: MakeTenant, on_commit: Any, files_dir: Path
) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _, arrived = _moved(tenant, administrator, on_commit)

    file = EvidenceFile.objects.get(task__plan__tenant=arrived)
    assert file_store.path_of(file.stored_as).read_bytes() == b"note"
    assert list(files_dir.rglob("*.part")) == []


def test_template_is_matched_by_its_content(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    first = archive_of(tenant)
    before, newest = PlanTemplate.objects.count(), newest_template()
    with on_commit(execute=True):
        erased(tenant, administrator)
    with on_commit(execute=True):
        same = imported(first, by=administrator)
        count = PlanTemplate.objects.count()
        erased(same, administrator)

    def retitle(tables: Any) -> None:
        tables["template"][0]["content"]["phases"][0]["title"] = "Of another installation"

    with on_commit(execute=True):
        other = imported(edited(first, retitle), by=administrator)
    assert (before, count, PlanTemplate.objects.count()) == (before, before, before + 1)
    assert (other.plan.template.is_imported, newest_template()) == (True, newest)
    # Nor does another client's plan get its texts by an upgrade.
    assert newer_versions(make_tenant("Other").plan) == []


def test_archive_has_no_data_of_another_tenant(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
        other = make_tenant("Quuxcorp", domains=(("quuxcorp.test", "primary"),))
        shared = User.objects.get(email="helper@one.test")
        Membership.objects.create(tenant=other, user=shared, role="owner")
        colleague = User.objects.create_user("only@quuxcorp.test", "pw", name="Only Quuxcorp")
        Membership.objects.create(tenant=other, user=colleague, role="member")
        Tenant.objects.filter(pk=other.pk).update(consultant=administrator)
        RawAnswers.objects.create(tenant=other, digest="f" * 64, body=b"quuxcorp")
    text = archive_of(tenant).decode().lower()

    foreign = ["quuxcorp", other.public_id.lower(), colleague.public_id.lower(), "f" * 64]
    assert [word for word in foreign if word in text] == []
    assert '"memberships":[\n' in text
    assert len(tables_of(archive_of(tenant))["memberships"]) == 2


def test_archive_has_no_secrets(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, _ = rich_tenant(make_tenant)
    text = archive_of(tenant).decode()

    secrets = [
        *(
            each
            for model in (ShareLink, CalendarFeed, ApiToken, Invitation)
            for each in model.objects.values_list("token_hash", flat=True)
        ),
        *Webhook.objects.values_list("secret", flat=True),
        *Webhook.objects.values_list("target", flat=True),
        *User.objects.values_list("password", flat=True),
    ]
    assert len([each for each in secrets if each]) > 6
    assert [each for each in secrets if each and each in text] == []
    assert '"password"' not in text


def test_erased_tenant_leaves_no_imported_people(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _, arrived = _moved(tenant, administrator, on_commit)
    with on_commit(execute=True):
        erased(arrived, administrator)

    left = User.objects.exclude(origin_id="")
    assert {(each.name, each.origin_email) for each in left} == {("Erased person", "")}


def test_erasure_of_an_imported_tenant_spares_accounts_that_its_archive_names(
    make_tenant: MakeTenant, on_commit: Any
) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    params = {"person": "ann@other.test", "role": "member"}
    write_activity(tenant, ActivityName.PERSON_INVITED, by=administrator, **params)
    _, arrived = _moved(tenant, administrator, on_commit)
    # A former member of another client of this installation, without a membership now.
    account = User.objects.create_user("ann@other.test", None, name="Ann")

    with on_commit(execute=True):
        erased(arrived, administrator)

    account.refresh_from_db()
    assert (account.name, account.is_active) == ("Ann", True)


def test_erasure_spares_a_colleague_of_the_directory(
    make_tenant: MakeTenant, on_commit: Any
) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    colleague = User.objects.create_user("new@gangway.test", None, name="New Colleague")
    ProvisionedPerson.objects.create(user=colleague, user_name=colleague.email)
    params = {"person": colleague.email, "role": "member"}
    write_activity(tenant, ActivityName.PERSON_INVITED, by=administrator, **params)

    with on_commit(execute=True):
        erased(tenant, administrator)

    colleague.refresh_from_db()
    assert (colleague.name, colleague.is_active) == ("New Colleague", True)


def test_imported_tenant_is_shown(make_tenant: MakeTenant, on_commit: Any) -> None:
    with on_commit(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    _, arrived = _moved(tenant, administrator, on_commit)
    client = Client()
    client.force_login(administrator, backend="allauth.account.auth_backends.AuthenticationBackend")

    response = client.get(reverse("onboarding:plan-show", args=[arrived.public_id]), follow=True)

    assert response.status_code == 200
    assert arrived.name in response.content.decode()
