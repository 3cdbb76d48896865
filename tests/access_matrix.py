"""Objects for the access matrix: one of each kind in two tenants, and users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from checks import raw_answers
from checks.dns_discovery import request_discovery
from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import sync_checks
from checks.models import Check, Observation
from onboarding.calendar_feeds.feeds import create_feed
from onboarding.collaboration import file_store
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.collaboration.evidence_files import store_file
from onboarding.collaboration.share_links import create_share_link
from onboarding.lifecycle import exports
from onboarding.lifecycle.archive.exporting import build_archive
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.proposals import ProposalEntry, add_host, enter_values, state_of
from onboarding.lifecycle.tenant_import import services as tenant_imports
from onboarding.models import (
    AcceptedResidualRisk,
    ArchiveImport,
    CalendarFeed,
    ClosingPack,
    Comment,
    Contact,
    Drift,
    DryRun,
    Freeze,
    Holiday,
    OnCall,
    Phase,
    RequirementsSheet,
    Responsibility,
    SavedView,
    SheetRow,
    Task,
    TenantExport,
    TenantImport,
)
from onboarding.plan_templates import drafts
from onboarding.plan_templates.registry import newest_template
from onboarding.requirements import imports, services
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants import api_tokens
from tenants.installation_setup import administrators
from tenants.models import (
    Invitation,
    Membership,
    Notification,
    Tenant,
    User,
    WebhookEvent,
    WebhookMessage,
)
from tenants.notifications import notify
from tenants.proposals import ProposalKind
from tenants.tokens import LinkPurpose, issue_token
from tenants.webhooks.events import message_of
from tenants.webhooks.services import NewWebhook, create_webhook
from tests.cutovers import cutover_of

CLIENT_ROLES = ("owner", "member", "viewer")


@dataclass(frozen=True)
class Route:
    """One URL pattern."""

    name: str
    pattern: URLPattern
    # Of the included prefixes and of the pattern itself.
    params: dict[str, object]

    @property
    def permission(self) -> str | None:
        permission = getattr(self.pattern.callback, "permission", None)
        return str(permission.value) if permission is not None else None

    @property
    def is_api(self) -> bool:
        return self.name.startswith(("api:", "live-api:"))

    @property
    def permissions(self) -> dict[str, str]:
        """The permission of each method of an endpoint of the API."""
        view = getattr(self.pattern.callback, "cls", None)
        assert view is not None, "an endpoint is a class"
        return {method: permission.value for method, permission in view.permissions.items()}


TENANT_ROWS = (
    "Company name,Domains,Region,Mail platform,Directory\n"
    "Imported,imported.test,Germany,Hybrid,LDAP"
)


def routes(
    resolver: URLResolver | None = None,
    namespace: str = "",
    outer: dict[str, object] | None = None,
) -> Iterator[Route]:
    """Every URL pattern of the product, below `namespace` and the parameters of `outer`."""
    for entry in (resolver or get_resolver()).url_patterns:
        params = (outer or {}) | dict(entry.pattern.converters)
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else namespace
            yield from routes(entry, inner, params)
        else:
            yield Route(f"{namespace}{entry.name or entry.pattern}", entry, params)


def create_one_of_each(tenant: Tenant, consultant: User) -> dict[str, str]:
    """Create one object of each kind. Returns their identifiers by URL parameter."""
    domain = tenant.domains.get()
    by = User.objects.create_user(f"helper@{domain.name}", "pw", name=f"Helper of {tenant}")
    Membership.objects.create(tenant=tenant, user=by, role="member")
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant, is_sample=True)
    tenant.domains.update(dkim_selectors="mimecast")
    sync_checks(tenant)
    request_discovery(domain)
    task = Task.objects.filter(
        plan__tenant=tenant, is_group=False, applies=True, responsibility=Responsibility.BOTH
    )[0]
    stored = store_file(task, SimpleUploadedFile("note.txt", b"note"), by=by)
    link, token = create_share_link(tenant.plan, task, recipient="outside", days=1, by=by)
    invitation, invited = _create_invitation(tenant, consultant)
    sheet, row = _create_sheet(tenant, by)
    job = imports.create_import(sheet, name="rows", content=b"ann@outside.test", by=by)
    imports.read_import(job)
    return {
        "public_id": tenant.public_id,
        "sheet_id": sheet.public_id,
        "row_id": row.public_id,
        "import_id": job.public_id,
        "tenant_import_id": _create_tenant_import(consultant).public_id,
        "task_id": task.public_id,
        "check_id": Check.objects.get(tenant=tenant, kind=CheckKind.MESSAGE).public_id,
        "person_id": by.public_id,
        "invitation_id": invitation.public_id,
        "source_name": "exchange_online",
        "share_link_id": link.public_id,
        "file_id": stored.public_id,
        **_create_exports(tenant, consultant),
        **_create_cutover(tenant, by),
        **_create_monitoring(tenant),
        **_create_residual_risk(tenant, by),
        **_create_holiday_and_contact(tenant),
        **_create_freezes(tenant),
        **_create_webhooks(tenant, by),
        "comment_id": _create_comment(task, by).public_id,
        "domain_id": tenant.domains.get().public_id,
        "transition": "start",
        **_create_proposals(tenant, by),
        "domain": tenant.domains.get().public_id,
        **_create_feed(tenant, by),
        **create_notification(tenant, consultant),
        "saved_view_id": _create_saved_view(consultant).public_id,
        "share-link": token,
        "invitation": invited,
        **_create_for_api(tenant, by, editor=consultant),
    }


def create_notification(tenant: Tenant, person: User) -> dict[str, str]:
    changes = [{"title": "MX records changed", "subject": "one.test", "type": "opened"}]
    (made,) = notify(
        tenant,
        Notification.Kind.DRIFT,
        [person],
        source=f"drift:{tenant.public_id}",
        changes=changes,
    )
    return {"notification_id": made.public_id}


def _create_feed(tenant: Tenant, by: User) -> dict[str, str]:
    feed, token = create_feed(CalendarFeed.Scope.TENANT, tenant=tenant, site="", by=by)
    return {"calendar_feed_id": feed.public_id, "calendar-feed": token}


def _create_saved_view(owner: User) -> SavedView:
    """One shared view, also for the world of a second tenant."""
    view, _ = SavedView.objects.get_or_create(
        owner=owner, name="At risk", query="risk=any", is_shared=True
    )
    return view


def _create_tenant_import(by: User) -> TenantImport:
    job = tenant_imports.create_import(name="rows", content=TENANT_ROWS.encode(), by=by)
    tenant_imports.read_import(job)
    return job


def _create_exports(tenant: Tenant, by: User) -> dict[str, str]:
    """The exports of the tenant in both formats, and a verified archive without its file."""
    export = exports.request_export(tenant, by=by)
    exports.build_export(export)
    archive = exports.request_export(tenant, by=by, file_format=TenantExport.Format.ARCHIVE)
    build_archive(archive)
    job = ArchiveImport.objects.create(
        name="client.json",
        stored_as=file_store.new_storage_path(),
        size=9,
        sha256="0" * 64,
        status=ArchiveImport.Status.READY,
        report={"name": "Contoso", "tenant": "aPublicId", "refusal": "", "lines": 3, "rows": {}},
        created_by=by,
    )
    return {
        "export_id": export.public_id,
        "archive_id": archive.public_id,
        "archive_import_id": job.public_id,
    }


def _create_for_api(tenant: Tenant, by: User, *, editor: User) -> dict[str, str]:
    """An observation with raw answers, tokens, and the names of rows of the installation."""
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MESSAGE)
    stored = raw_answers.store({check.pk: (tenant.pk, {"answers": []})})
    now = timezone.now()
    observation = Observation.objects.create(
        check_asked=check,
        verdict=Verdict.UNKNOWN.value,
        digest="0" * 64,
        raw_id=stored[check.pk],
        first_seen_at=now,
        last_seen_at=now,
    )
    token, _ = api_tokens.issue(
        owner=by, name="Service desk", scope="read", expires_at=now + timedelta(days=9)
    )
    return {
        "observation_id": observation.public_id,
        "token_id": token.public_id,
        "setup-account": administrators.new_token(),
        "staff_id": User.objects.get(led_tenants=tenant).public_id,
        "region_id": tenant.region,
        "template_version": str(tenant.plan.template.version),
        "phase": Phase.objects.filter(plan=tenant.plan)[0].key,
        **_create_draft(editor),
    }


def _create_draft(by: User) -> dict[str, str]:
    """The draft of the plan template, with a phase, a task and a source that can be removed."""
    if drafts.current_draft() is None:
        newest = newest_template()
        assert newest is not None, "the tenant has a plan"
        drafts.create_draft(newest, by=by)
        phase = drafts.save_phase(
            {"title": "Training", "summary": "For users."}, key="", expected="", by=by
        )
        entry = {
            "title": "Train the service desk",
            "responsibility": "both",
            "stated": True,
            "do": "Show the console.",
            "shown_by": "The team has seen it.",
        }
        drafts.save_task(entry, phase=phase, key="", expected="", by=by)
        drafts.save_phase(
            {"title": "Handover", "summary": "To operations."}, key="", expected="", by=by
        )
        source = {"title": "Training", "url": "https://desk.example/", "read_on": "2026-11"}
        drafts.save_source(source, key="training", expected="", by=by)
    return {
        "task_key": "train-the-service-desk",
        "phase_key": "handover",
        # The pages name phases, tasks and sources alike.
        "key": "handover",
        "source_key": "training",
    }


# Parameters of addresses without a tenant that name other rows than people.
OF_INSTALLATION = (
    "token_id",
    "region_id",
    "template_version",
    "tenant_import_id",
    "archive_import_id",
    "calendar_feed_id",
    "notification_id",
    "saved_view_id",
    "task_key",
    "phase_key",
    "source_key",
    "key",
)


def _create_holiday_and_contact(tenant: Tenant) -> dict[str, str]:
    holiday = Holiday.objects.create(tenant=tenant, day="2026-12-25", name="Christmas")
    contact = Contact.objects.create(
        tenant=tenant, role="dns", name="D. N. Essen", email="dns@matrix.test"
    )
    return {"holiday_id": holiday.public_id, "contact_id": contact.public_id}


def _create_proposals(tenant: Tenant, by: User) -> dict[str, str]:
    """A proposed ownership code and a proposed host."""
    domain = tenant.domains.get()
    entry = ProposalEntry(
        {"ownership_token": "proposed", "ownership_label": ""},
        state_of(domain, ProposalKind.OWNERSHIP),
        is_change=True,
    )
    enter_values(domain, ProposalKind.OWNERSHIP, entry, by=by, decides=False)
    host = add_host(tenant, name=f"mail.{domain.name}", port=25, by=by, decides=False)
    return {"kind": ProposalKind.OWNERSHIP.value, "host_id": host.public_id}


def _create_monitoring(tenant: Tenant) -> dict[str, str]:
    drift = Drift.objects.create(tenant=tenant, kind="leftover_mx", subject="matrix.test")
    pack = ClosingPack.objects.create(tenant=tenant)
    build.build_closing_pack(pack)
    return {"drift_id": drift.public_id, "closing_pack_id": pack.public_id}


def _create_residual_risk(tenant: Tenant, by: User) -> dict[str, str]:
    accepted = AcceptedResidualRisk.objects.create(
        tenant=tenant, kind="mx-ttl", state="low", reason="Next week.", accepted_by=by
    )
    return {"risk_id": accepted.public_id}


def _create_sheet(tenant: Tenant, by: User) -> tuple[RequirementsSheet, SheetRow]:
    sheet = RequirementsSheet.objects.get(task__plan__tenant=tenant, kind="forwarding")
    entry = read_entry(
        definition_of(sheet), {"target": "bob@outside.test"}, services.validation_context_of(tenant)
    )
    return sheet, services.add_row(sheet, entry, by=by)


def _create_cutover(tenant: Tenant, by: User) -> dict[str, str]:
    made = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9))
    on_call = OnCall.objects.create(cutover=made, user=by, phone="+44 20 7946 0000")
    dry_run = DryRun.objects.create(
        cutover=made,
        window_start=made.planned_at,
        round=made.round,
        by=by,
        started_at=timezone.now(),
        records="@ MX 10 mail.matrix.test.",
        content={},
    )
    return {
        "cutover_id": made.public_id,
        "on_call_id": on_call.public_id,
        "dry_run_id": dry_run.public_id,
    }


def _create_freezes(tenant: Tenant) -> dict[str, str]:
    days = {"first_day": "2026-12-28", "last_day": "2027-01-08", "reason": "Year end"}
    return {
        "freeze_id": Freeze.objects.create(tenant=tenant, **days).public_id,
        "common_freeze_id": Freeze.objects.create(**days).public_id,
        # One for all tenants.
        "common_holiday_id": Holiday.objects.get_or_create(
            tenant=None, day=days["first_day"], defaults={"name": "Holiday"}
        )[0].public_id,
    }


def _create_webhooks(tenant: Tenant, by: User) -> dict[str, str]:
    """A webhook of the tenant with an ended message, and one of all tenants."""
    ids: dict[str, str] = {}
    for prefix, of in (("", tenant), ("common_", None)):
        webhook, _ = create_webhook(
            of,
            NewWebhook("Desk", "https://desk.example/hooks", "json", ["drift.began"]),
            site="",
            by=by,
        )
        message = message_of(webhook, WebhookEvent.TEST, None, {}, at=timezone.now())
        message.status = WebhookMessage.Status.DELIVERED
        message.save()
        ids |= {
            f"{prefix}webhook_id": webhook.public_id,
            f"{prefix}message_id": message.public_id,
        }
    return ids


def _create_comment(task: Task, by: User) -> Comment:
    return add_comment(task, NewComment("When does the change window open?"), by=by, side="client")


def _create_invitation(tenant: Tenant, by: User) -> tuple[Invitation, str]:
    issued = issue_token(LinkPurpose.INVITATION)
    made = Invitation.objects.create(
        tenant=tenant,
        email=f"new@{tenant.domains.get().name}",
        role="viewer",
        invited_by=by,
        token_hash=issued.digest,
        expires_at=timezone.now() + timedelta(days=1),
    )
    return made, issued.token


def create_person(role: str, own: Tenant, foreign: Tenant, consultant: User) -> User | None:
    """A user with the role in `own`, or None for a visitor without a session."""
    if role == "visitor":
        return None
    email = f"{role}@matrix.test"
    match role:
        case "administrator" | "consultant" | "manager":
            return User.objects.create_user(email, "pw", name=role, staff_role=role)
        case "manager of some":
            user = User.objects.create_user(
                "some@matrix.test", "pw", name=role, staff_role="manager"
            )
            user.followed_consultants.add(consultant)
            return user
        case "deactivated":
            user = User.objects.create_user(email, "pw", name=role, staff_role="administrator")
            User.objects.filter(pk=user.pk).update(is_active=False)
            return user
    user = User.objects.create_user(email, "pw", name=role)
    if role in CLIENT_ROLES:
        Membership.objects.create(tenant=own, user=user, role=role)
    elif role == "outsider":
        Membership.objects.create(tenant=foreign, user=user, role="owner")
    return user
