"""One tenant with an object of each kind and forms for every action, and the people who act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from checks.models import Discovery
from onboarding.calendar_feeds.feeds import create_feed
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.cutovers import go_no_go
from onboarding.models import (
    CalendarFeed,
    Cutover,
    Drift,
    Monitoring,
    Phase,
    PlanTemplate,
    RequirementsSheet,
    SheetImport,
    Task,
    TemplateDraft,
)
from onboarding.plan_templates import drafts
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.custom_tasks import CustomTaskContent, add_task
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task, exempt_domain
from onboarding.requirements.sign_off import sign_off
from tenants.models import Domain, Membership, Tenant, User
from tests.access_matrix import TENANT_ROWS, create_one_of_each
from tests.factories import MakeTenant, fill_fields
from tests.onboarding.plan_templates.drafts import publish_changed

MESSAGE = "From: a@one.test\nTo: b@outside.test\nSubject: Test\n\nTest.\n"
ROUTING = "own.mail.onmicrosoft.com"


@dataclass(frozen=True)
class ActionWorld:
    """The identifiers of the objects by URL parameter, and the people by side."""

    tenant: Tenant
    ids: dict[str, str]
    # For single URLs that need another object.
    ids_by_name: dict[str, dict[str, str]]
    people: dict[str, User]


def create_world(make_tenant: MakeTenant) -> ActionWorld:
    consultant = User.objects.create_user(
        "theirs@matrix.test", "pw", name="Con Sultant", staff_role="consultant"
    )
    administrator = User.objects.create_user(
        "administrator@matrix.test", "pw", name="Ad Ministrator", staff_role="administrator"
    )
    tenant = make_tenant("own", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, consultant)
    # The world has a draft of a later version.
    TemplateDraft.objects.all().delete()
    tenant.refresh_from_db()
    owner = User.objects.create_user("owner@matrix.test", "pw", name="Own Er")
    Membership.objects.create(tenant=tenant, user=owner, role="owner")
    for name in ("two.test", "three.test"):
        Domain.objects.create(tenant=tenant, name=name, role="secondary")
    apply_profile(tenant)
    create_feed(CalendarFeed.Scope.OWN, tenant=None, site="", by=administrator)
    User.objects.create_user("away@matrix.test", "pw", name="A. Way", is_active=False)
    ids_by_name = _prepare_plan(tenant, ids, administrator, owner)
    with transaction.atomic():
        recompute_rollup(tenant.plan)
    Monitoring.objects.create(
        tenant=tenant, started_at=timezone.now(), reason="cutover", region_values={}
    )
    phases = Phase.objects.filter(plan__tenant=tenant).values_list("key", flat=True)
    ids |= {"key": "account-creation", "phases": " ".join(phases)}
    ids_by_name["onboarding:template-phase"] = {"key": phases[0]}
    return ActionWorld(tenant, ids, ids_by_name, {"staff": administrator, "client": owner})


def _prepare_plan(
    tenant: Tenant, ids: dict[str, str], administrator: User, owner: User
) -> dict[str, dict[str, str]]:
    plan = tenant.plan
    task = Task.objects.select_related("plan__tenant").get(public_id=ids["task_id"])
    confirm_task(fill_fields(task), by=administrator, side="mimecast")
    ids["comment_id"] = add_comment(
        task, NewComment("Who owns DNS?"), by=owner, side="client"
    ).public_id
    phase = Phase.objects.filter(plan=plan).order_by("position")[0].key
    content = CustomTaskContent(phase, "Tell the service desk", "", "both")
    custom = add_task(plan, content, by=administrator)
    per_domain = Task.objects.filter(plan=plan, applies=True, is_per_domain=True)[0]
    exempt_domain(per_domain, tenant.domains.get(name="two.test"), by=administrator, reason="Sold.")
    one = tenant.domains.get(name="one.test")
    confirm_task(per_domain, by=owner, side="client", domain=one)
    Discovery.objects.update(found={"onmicrosoft": ROUTING}, checked_at=timezone.now())
    cutover = Cutover.objects.get(public_id=ids["cutover_id"])
    cutover.planned_at = cutover.planned_at.replace(second=0, microsecond=0)
    cutover.save(update_fields=["planned_at"])
    go_no_go.name_approvers(cutover, mimecast=administrator, client=owner, by=administrator)
    publish_changed(lambda content: content["phases"][0].update(title="First phase"))
    drafts.create_draft(PlanTemplate.objects.order_by("-version")[0], by=administrator)
    drafts.move_phase(phase, up=False, by=administrator)
    sheet = RequirementsSheet.objects.get(public_id=ids["sheet_id"])
    sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)
    SheetImport.objects.filter(public_id=ids["import_id"]).update(created_by=administrator)
    Drift.objects.create(
        tenant=tenant,
        kind="leftover_mx",
        subject="two.test",
        muted_until=timezone.now() + timedelta(days=3),
        muted_by=administrator,
    )
    Drift.objects.create(tenant=tenant, kind="region_changed", subject="us")
    of_domain = {"task_id": per_domain.public_id}
    return {
        "onboarding:custom-task-edit": {"task_id": custom.public_id},
        "onboarding:custom-task-remove": {"task_id": custom.public_id},
        "onboarding:task-domain-exempt": of_domain,
        "onboarding:task-domain-withdraw": of_domain,
    }


# The entries that a form needs beyond its required fields.
VALUES: dict[str, dict[str, object]] = {
    "onboarding:tenant-new": {"domains": "third.test"},
    "onboarding:tenant-create": {
        "domains-0-name": "third.test",
        "domains-0-role": "primary",
        "region": "us",
    },
    "onboarding:tenant-import": {"pasted": TENANT_ROWS, "file": None},
    "onboarding:tenant-import-discard": {},
    "onboarding:tenants-bulk": {"action": "run-checks"},
    "onboarding:saved-view-create": {"query": "risk=none"},
    "onboarding:saved-view-change": {"name": "Changed", "query": "risk=none"},
    "onboarding:saved-view-remove": {},
    "onboarding:archive-import-discard": {},
    "onboarding:webhooks": {
        "secret_address": "https://desk.example/hooks",
        "events": ["drift.began"],
    },
    "onboarding:all-webhooks": {
        "secret_address": "https://desk.example/hooks",
        "events": ["drift.began"],
    },
    "onboarding:host-enter": {"name": "mail3.one.test"},
    "onboarding:delivery-host": {"name": "own-com.mail.protection.outlook.com"},
    "onboarding:tenant-erase": {"name": "own"},
    "onboarding:cutovers": {"reason": "Agreed.", "planned_at": "2026-12-29T10:00"},
    "onboarding:cutover-edit": {"reason": "Agreed."},
    "onboarding:cutover-window": {"accepted_risk": "Agreed."},
    "onboarding:cutover-vote": {"accepted_risk": "Agreed.", "choice": "no-go"},
    "onboarding:on-call-add": {"phone": "+44 20 7946 0001"},
    "onboarding:dry-run-create": {"save": "yes"},
    "onboarding:requirements-row-add": {"target": "carol@outside.test"},
    "onboarding:requirements-row": {"note": "Changed."},
    "onboarding:requirements-import": {"pasted": "dave@outside.test", "file": None},
    "onboarding:requirements-import-discard": {},
    "onboarding:contact-add": {"email": "new.contact@one.test"},
    "onboarding:check-run": {},
    "onboarding:dns-scan": {},
    "onboarding:test-message-submit": {"source": MESSAGE, "file": None},
    "onboarding:platform-export-submit": {"text": "{}", "file": None},
    "onboarding:profile-edit": {"account_code": "CUSA12"},
    "onboarding:zone-file": {"text": "sales MX 10 mail", "file": None},
}
