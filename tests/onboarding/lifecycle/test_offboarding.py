"""Offboarding: removed people, closed tenants, exports and erasure."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import ForeignKey
from django.test import Client
from django.urls import reverse

from checks import raw_answers
from checks.claims import claim_due_checks
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.collaboration.evidence_files import store_file
from onboarding.collaboration.share_links import create_share_link
from onboarding.errors import OnboardingError
from onboarding.lifecycle import erasure, exports, offboarding
from onboarding.lifecycle.closing import reopen_tenant
from onboarding.lifecycle.tasks import reconcile
from onboarding.models import (
    ArchiveImport,
    CutoverStatus,
    PhaseTime,
    PlanFigures,
    PlanRisk,
    ShareLink,
    Task,
    TaskStatus,
    TenantExport,
    WaitingPeriod,
)
from tenants import invitations
from tenants.log_verification import verify_logs
from tenants.models import (
    ActivityLine,
    ApiToken,
    ErasableAddress,
    ErasurePermit,
    IdempotentRequest,
    Invitation,
    Membership,
    OutboxMessage,
    Tenant,
    User,
)
from tests.closings import accept_all_risks, decide_all
from tests.factories import START, RunCheck, SignIn, task_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path
    return tmp_path


def _link(tenant: Tenant, by: User) -> str:
    task = task_of(tenant, "domain-ownership")
    _, token = create_share_link(tenant.plan, task, recipient="DNS team", days=7, by=by)
    return reverse("onboarding:share-link", args=[token])


def _post(client: Client, route: str, tenant: Tenant, *ids: str, **data: str) -> int:
    return client.post(
        reverse(f"onboarding:{route}", args=[tenant.public_id, *ids]), data
    ).status_code


def test_removed_member_loses_sessions_and_links(tenant: Tenant, owner: User, member: User) -> None:
    leaver, remover = Client(), Client()
    backend = "allauth.account.auth_backends.AuthenticationBackend"
    leaver.force_login(member, backend=backend)
    remover.force_login(owner, backend=backend)
    link = _link(tenant, member)
    invitations.invite(tenant, "friend@northwind.test", "viewer", by=member)
    home = reverse("onboarding:home")
    before = (leaver.get(home).status_code, Client().get(link).status_code)

    _post(remover, "person-remove", tenant, member.public_id)

    assert before == (302, 200)
    assert leaver.get(home)["Location"].startswith("/accounts/login/")
    assert Client().get(link).status_code == 410
    assert Invitation.objects.get().revoked_at is not None
    assert not Membership.objects.filter(user=member).exists()
    assert remover.get(reverse("onboarding:people", args=[tenant.public_id])).status_code == 200


def test_removal_affects_only_that_member(tenant: Tenant, owner: User, member: User) -> None:
    kept = _link(tenant, owner)

    offboarding.remove_membership(Membership.objects.get(user=member), by=owner)

    assert Client().get(kept).status_code == 200


@pytest.mark.parametrize("act", ["person-remove", "person-role"])
def test_last_owner_cannot_be_removed(
    tenant: Tenant, owner: User, signed_in: SignIn, act: str
) -> None:
    _post(signed_in(owner), act, tenant, owner.public_id, role="viewer")

    assert Membership.objects.get(user=owner).role == "owner"


def test_deactivation_ends_sessions_and_links(
    tenant: Tenant, administrator: User, consultant: User, signed_in: SignIn
) -> None:
    link = _link(tenant, consultant)
    leaver = Client()
    leaver.force_login(consultant, backend="allauth.account.auth_backends.AuthenticationBackend")

    signed_in(administrator).post(
        reverse("onboarding:person-deactivate", args=[consultant.public_id])
    )

    assert leaver.get(reverse("onboarding:home"))["Location"].startswith("/accounts/login/")
    assert Client().get(link).status_code == 410


def test_administrator_cannot_deactivate_self(administrator: User, signed_in: SignIn) -> None:
    signed_in(administrator).post(
        reverse("onboarding:person-deactivate", args=[administrator.public_id])
    )

    administrator.refresh_from_db()
    assert administrator.is_active


def test_administrator_limits_manager(
    tenant: Tenant, administrator: User, manager: User, consultant: User, signed_in: SignIn
) -> None:
    signed_in(administrator).post(
        reverse("onboarding:staff-change", args=[manager.public_id]),
        {"role": "manager", "followed_consultants": [consultant.public_id]},
    )

    page = reverse("onboarding:plan-show", args=[tenant.public_id])
    assert list(manager.followed_consultants.all()) == [consultant]
    assert signed_in(manager).get(page).status_code == 404


def test_closed_tenant_is_unlisted_and_unchecked(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    link = _link(tenant, consultant)
    client = signed_in(consultant)

    _post(client, "tenant-close", tenant, reason="They left.")
    reconcile()

    lists = reverse("onboarding:tenant-list")
    assert tenant.name not in client.get(lists + "?show=all").content.decode()
    assert tenant.name in client.get(lists + "?show=closed").content.decode()
    assert not Check.objects.filter(tenant=tenant, is_active=True).exists()
    assert claim_due_checks(now=START) == []
    assert Client().get(link).status_code == 410
    assert task_of(tenant, "domain-ownership").status == TaskStatus.VERIFIED


def test_closing_without_completion_needs_a_reason(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    address = reverse("onboarding:tenant-close", args=[tenant.public_id])
    refused = signed_in(consultant).post(address, {"reason": " "})

    tenant.refresh_from_db()
    assert (refused.status_code, tenant.is_closed) == (422, False)
    assert "Enter a reason. It is stored in the activity log." in refused.content.decode()
    with pytest.raises(OnboardingError, match="Enter a reason"):
        offboarding.close_tenant(tenant, by=consultant, reason=" ")

    assert _post(signed_in(consultant), "tenant-close", tenant, reason="They left.") == 302
    assert ActivityLine.objects.get(action="tenant-closed").params == {"reason": "They left."}


@pytest.mark.slow
def test_tenant_with_switched_mail_needs_decisions(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    client = signed_in(consultant)
    page = reverse("onboarding:offboarding", args=[tenant.public_id])
    close = reverse("onboarding:tenant-close", args=[tenant.public_id])

    html = client.get(page).content.decode()
    refused = client.post(close, {"reason": "They left."})

    tenant.refresh_from_db()
    assert (refused.status_code, tenant.is_closed) == (422, False)
    assert close not in html
    assert "Still open: “Initial conversation" in html
    assert "Still open: “Initial conversation" in refused.content.decode()
    assert "They left." in refused.content.decode()

    decide_all(tenant)
    assert "Residual risks: " in client.get(page).content.decode()
    accept_all_risks(tenant, consultant)
    assert close in client.get(page).content.decode()
    client.post(close, {"reason": "They left."})
    tenant.refresh_from_db()
    assert (tenant.is_closed, tenant.completed_at) == (True, None)


def test_closing_ends_every_waiting_period(tenant: Tenant, consultant: User) -> None:
    waiting = Task.objects.filter(plan=tenant.plan).exclude(waiting_on="")
    before = waiting.count()
    assert before == WaitingPeriod.objects.filter(ended_at=None).count() > 0

    offboarding.close_tenant(tenant, by=consultant, reason="They left.")
    assert waiting.count() == WaitingPeriod.objects.filter(ended_at=None).count() == 0

    reopen_tenant(tenant, by=consultant, reason="They came back.")
    assert waiting.count() == WaitingPeriod.objects.filter(ended_at=None).count() == before


def test_reopened_tenant_runs_checks(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    before = Check.objects.filter(is_active=True).count()
    client = signed_in(consultant)
    _post(client, "tenant-close", tenant, reason="They left.")

    _post(client, "tenant-reopen", tenant, reason="The client came back.")

    assert Check.objects.filter(is_active=True).count() == before
    assert _post(client, "check-run-all", tenant) == 302


def _exported(tenant: Tenant, by: User) -> zipfile.ZipFile:
    export = exports.request_export(tenant, by=by)
    exports.build_export(export)
    client = Client()
    client.force_login(by, backend="allauth.account.auth_backends.AuthenticationBackend")
    response: Any = client.get(
        reverse("onboarding:export-show", args=[tenant.public_id, export.public_id])
    )
    assert response["Content-Disposition"] == 'attachment; filename="gangway-northwind.zip"'
    return zipfile.ZipFile(BytesIO(b"".join(response.streaming_content)))


def test_export_contains_exactly_one_tenant(
    tenant: Tenant, owner: User, outsider: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    _link(tenant, owner)
    store_file(task_of(tenant, "training"), SimpleUploadedFile("shot.png", PNG), by=owner)
    raw = {'["delegation","northwind.test"]': {"$": "NoName"}}
    raw_answers.store({0: (tenant.pk, raw)})
    archive = _exported(tenant, owner)
    held = {name: json.loads(archive.read(f"{name}.json")) for name in exports.EXPORTED_MODELS}
    text = "".join(archive.read(name).decode() for name in archive.namelist() if ".json" in name)
    assert [name for name, rows in held.items() if not rows] == [
        "invitations",
        "hosts",
        "contacts",
        "working_time",
        "holidays",
        "freezes",
        "reminders",
        "domain_parts",
        "comments",
        "cutovers",
        "cutover_domains",
        "on_call",
        "dry_runs",
        "tls_partner_checks",
        "sheet_imports",
        "cutover_snapshots",
        "cutover_votes",
        "cutover_decisions",
        "monitoring",
        "drifts",
        "accepted_residual_risks",
        "drift_notifications",
        "notifications",
        "closing_packs",
        "discoveries",
        "proof_messages",
        "submitted_exports",
        "calendar_feeds",
        "calendar_entries",
        "webhooks",
        "webhook_messages",
        "webhook_deliveries",
    ]
    assert [row["name"] for row in held["tenant"]] == [tenant.name]
    assert [row["body"] for row in held["raw_answers"]] == [raw]
    assert [archive.read(n) for n in archive.namelist() if n.startswith("files/")] == [PNG]
    assert "elsewhere.test" not in text
    assert ShareLink.objects.get().token_hash not in text


def test_export_contains_every_tenant_model() -> None:
    ours = [
        model
        for app in ("tenants", "checks", "onboarding")
        for model in apps.get_app_config(app).get_models()
        if _belongs_to_a_tenant(model)
    ]

    exported = {model for model, _ in exports.EXPORTED_MODELS.values()}

    credentials = {ApiToken, IdempotentRequest}
    # Gangway computes the risks and figures from exported rows.
    derived = {PlanRisk, PlanFigures, PhaseTime, CutoverStatus}
    others = {ErasurePermit, ErasableAddress, OutboxMessage, ArchiveImport}
    assert set(ours) - exported == others | credentials | derived


def _belongs_to_a_tenant(model: Any, seen: tuple[Any, ...] = ()) -> bool:
    if model is Tenant:
        return True
    parents = {f.related_model for f in model._meta.fields if isinstance(f, ForeignKey)}
    return any(_belongs_to_a_tenant(p, (*seen, model)) for p in parents if p not in seen)


def test_requested_export_is_built_by_worker(
    tenant: Tenant, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        _post(signed_in(owner), "export-request", tenant)

    assert TenantExport.objects.get().ready_at is not None


def test_building_export_is_idempotent(tenant: Tenant, owner: User) -> None:
    export = exports.request_export(tenant, by=owner)
    exports.build_export(export)
    export.refresh_from_db()

    assert not exports.build_export(export)


def _everything_of(tenant: Tenant, owner: User) -> None:
    store_file(task_of(tenant, "training"), SimpleUploadedFile("shot.png", PNG), by=owner)
    _link(tenant, owner)
    invitations.invite(tenant, "friend@northwind.test", "viewer", by=owner)
    exports.build_export(exports.request_export(tenant, by=owner))


def test_erasure_leaves_only_the_audit_line(
    tenant: Tenant,
    owner: User,
    administrator: User,
    outsider: User,
    signed_in: SignIn,
    files_dir: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    _everything_of(tenant, owner)
    public_id = tenant.public_id
    client = signed_in(administrator)

    with django_capture_on_commit_callbacks(execute=True):
        status = _post(client, "tenant-erase", tenant, name=tenant.name)

    counts = {
        name: model._default_manager.filter(**{path: tenant.pk}).count()
        for name, (model, path) in exports.EXPORTED_MODELS.items()
    }
    assert status == 302
    assert {name: number for name, number in counts.items() if number} == {}
    assert [path for path in files_dir.rglob("*") if path.is_file()] == []
    line = ActivityLine.objects.get(action="tenant-erased")
    assert (line.tenant, line.actor, line.params["name"], line.params["erased"]) == (
        None,
        administrator,
        "Northwind",
        public_id,
    )
    assert [report.fault for report in verify_logs() if report.fault] == []
    assert Tenant.objects.get().name == "Elsewhere"


def test_erasure_anonymises_members(
    tenant: Tenant, owner: User, member: User, administrator: User, outsider: User
) -> None:
    elsewhere = Tenant.objects.get(name="Elsewhere")
    Membership.objects.create(tenant=elsewhere, user=member, role="viewer")

    erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    owner.refresh_from_db()
    member.refresh_from_db()
    assert (owner.name, owner.is_active, "northwind" in owner.email) == (
        "Erased person",
        False,
        False,
    )
    assert (member.name, member.is_active) == ("Member Person", True)


@pytest.mark.parametrize("typed", ["", "northwind", "Northwind Ltd"])
def test_mismatched_name_erases_nothing(
    tenant: Tenant, administrator: User, signed_in: SignIn, typed: str
) -> None:
    _post(signed_in(administrator), "tenant-erase", tenant, name=typed)

    assert Tenant.objects.filter(pk=tenant.pk).exists()
