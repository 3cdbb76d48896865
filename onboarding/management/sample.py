"""Sample people and tenants of a local installation. Their domains are in the lab, below .test."""

from __future__ import annotations

import calendar
import zoneinfo
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Q

from checks.lab.zones import ownership_codes
from onboarding.collaboration.evidence_files import store_file
from onboarding.cutovers.go_no_go import name_approvers
from onboarding.cutovers.on_call import add_on_call, on_call_candidates
from onboarding.cutovers.planning import plan_cutover
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant, host_key
from onboarding.models import (
    COMPLETE_STATUSES,
    Contact,
    Cutover,
    ManualStatus,
    Plan,
    RequirementsSheet,
    Responsibility,
    Task,
    TaskRole,
)
from onboarding.plans.assignment import assign_task
from onboarding.plans.confirmations import is_confirmed_by_sign_off
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.planned_cutovers import unplanned_for
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import actor_for, confirm_task
from onboarding.plans.task_fields import FieldDefinition, FieldType
from onboarding.requirements.sign_off import definition_of, sign_off
from tenants import database_time
from tenants.models import (
    Authentication,
    DirectoryMethod,
    Domain,
    Host,
    Membership,
    Platform,
    Tenant,
    User,
)

PASSWORD = "gangway-on-loopback"
CONSULTANT = ("consultant@gangway.test", "Rosa Almeida")
MANAGER = ("manager@gangway.test", "Eva Kowalski")
CLIENT = ("client@northwind.test", "Jo Lindqvist")

# The names that the lab serves in place of Mimecast. They shadow no real name.
_REGION_OVERRIDES: dict[str, dict[str, object]] = {
    region: {
        "mx": [f"{region}-smtp-inbound-{number}.mimecast.test" for number in (1, 2)],
        "spf_include": f"{region}._netblocks.mimecast.test",
        "outbound_smarthosts": [f"{region}-smtp-outbound-{n}.mimecast.test" for n in (1, 2)],
    }
    for region in ("us", "eu", "au")
}


@dataclass(frozen=True)
class SampleTenant:
    name: str
    region: str
    platform: Platform
    directory_method: DirectoryMethod
    domains: dict[str, Domain.Role]
    products: tuple[str, ...] = ()
    hosts: tuple[tuple[Host.Purpose, str], ...] = ()
    time_zone: str = "America/New_York"
    # Days until each cutover, on the evening of a working day in the tenant's time zone.
    cutovers: dict[Cutover.Direction, int] = field(default_factory=dict)
    # Its sides confirm all tasks up to this phase that no check can verify.
    done_up_to: int = 0


SAMPLE = (
    SampleTenant(
        "Northwind Traders",
        "us",
        Platform.HYBRID,
        DirectoryMethod.LDAP,
        {
            "northwind.test": Domain.Role.PRIMARY,
            "northwind-co.test": Domain.Role.SECONDARY,
            "nwt-test.test": Domain.Role.TEST,
        },
        products=("ttp_attachment", "ttp_url", "archive"),
        hosts=(
            (Host.Purpose.DELIVERY, "mail.northwind.test"),
            (Host.Purpose.DIRECTORY, "ldap.northwind.test"),
        ),
        cutovers={
            Cutover.Direction.OUTBOUND: 6,
            Cutover.Direction.INBOUND: 11,
        },
        done_up_to=6,
    ),
    SampleTenant(
        "Contoso Legal",
        "us",
        Platform.ON_PREMISES,
        DirectoryMethod.LDAP,
        {"contoso.test": Domain.Role.PRIMARY},
        hosts=(
            (Host.Purpose.DELIVERY, "mail.contoso.test"),
            (Host.Purpose.DIRECTORY, "ldap.contoso.test"),
        ),
        time_zone="America/Chicago",
        cutovers={Cutover.Direction.OUTBOUND: 3},
        done_up_to=1,
    ),
    SampleTenant(
        "Fabrikam Health",
        "eu",
        Platform.GOOGLE_WORKSPACE,
        DirectoryMethod.GOOGLE,
        {"fabrikam.test": Domain.Role.PRIMARY},
        time_zone="Europe/Berlin",
        products=("ttp_url",),
        done_up_to=2,
    ),
    SampleTenant(
        "Tailspin Aero",
        "us",
        Platform.MICROSOFT_365,
        DirectoryMethod.ENTRA_ID,
        {"tailspin.test": Domain.Role.PRIMARY},
        products=("ttp_attachment", "ttp_impersonation", "ttp_url"),
        cutovers={Cutover.Direction.INBOUND: 1},
        done_up_to=7,
    ),
)


def load_sample(*, smtp_port: int, ldaps_port: int) -> bool:
    """Create the sample people and tenants. False if the installation has users already."""
    if User.objects.exists():
        return False
    with transaction.atomic():
        consultant = _person(CONSULTANT, User.StaffRole.CONSULTANT)
        _person(MANAGER, User.StaffRole.MANAGER)
        client = _person(CLIENT, User.StaffRole.NONE)
        ports = {Host.Purpose.DELIVERY: smtp_port, Host.Purpose.DIRECTORY: ldaps_port}
        for sample in SAMPLE:
            tenant = create_tenant(*_entry(sample, consultant, ports), by=consultant)
            _plan_cutovers(tenant, sample, consultant)
            _confirm(tenant, sample, consultant, client)
        northwind = Tenant.objects.get(name=SAMPLE[0].name)
        Membership.objects.create(tenant=northwind, user=client, role=Membership.Role.OWNER)
        _assign_people(northwind.plan, consultant, client)
    return True


def _person(who: tuple[str, str], role: User.StaffRole) -> User:
    email, name = who
    return User.objects.create_user(email, PASSWORD, name=name, staff_role=role)


def _entry(
    sample: SampleTenant, consultant: User, ports: dict[Host.Purpose, int]
) -> tuple[Tenant, ProfileEntry]:
    tenant = Tenant(
        name=sample.name,
        time_zone=sample.time_zone,
        region=sample.region,
        region_overrides=_REGION_OVERRIDES[sample.region],
        platform=sample.platform,
        directory_method=sample.directory_method,
        authentication=Authentication.SSO,
        products=list(sample.products),
        consultant=consultant,
        is_sample=True,
    )
    codes = ownership_codes()
    domains = [
        Domain(name=name, role=role, ownership_token=codes.get(name, ""))
        for name, role in sample.domains.items()
    ]
    hosts = [Host(purpose=p, name=name, port=ports[p]) for p, name in sample.hosts]
    return tenant, ProfileEntry(domains, hosts, consented=[host_key(host) for host in hosts])


def _plan_cutovers(tenant: Tenant, sample: SampleTenant, consultant: User) -> None:
    for direction, days in sample.cutovers.items():
        evening = _working_evening(sample.time_zone, days)
        plan_cutover(
            tenant.plan,
            direction,
            evening,
            list(tenant.domains.all()),
            by=consultant,
            reason="Outbound mail switched before this plan was made.",
        )


def _working_evening(time_zone: str, days: int) -> datetime:
    zone = zoneinfo.ZoneInfo(time_zone)
    day = database_time.now().astimezone(zone).date() + timedelta(days=days)
    while day.weekday() in (calendar.SATURDAY, calendar.SUNDAY):
        day += timedelta(days=1)
    return datetime.combine(day, time(19), zone)


def _assign_people(plan: Plan, consultant: User, client: User) -> None:
    """Assign a task to each, and name the people on call in the window of the first cutover."""
    tasks = plan.tasks.select_related("plan__tenant", "assignee")
    assign_task(tasks.get(role=TaskRole.VERIFIES_SPF), client.public_id, by=consultant)
    of_consultant = (
        tasks.filter(applies=True, is_group=False, wait_after="")
        .exclude(responsibility=Responsibility.CLIENT)
        .exclude(status__in=COMPLETE_STATUSES)
        .order_by("phase__position", "position")
    )
    assign_task(of_consultant[0], consultant.public_id, by=consultant)
    cutover = plan.cutovers.order_by("planned_at")[0]
    numbers = {consultant.name: "+1 212 555 0143", client.name: "+1 212 555 0178"}
    for candidate in on_call_candidates(plan.tenant):
        if candidate.name in numbers:
            add_on_call(cutover, candidate, numbers[candidate.name], by=consultant)
    name_approvers(cutover, mimecast=consultant, client=client, by=consultant)


def _confirm(tenant: Tenant, sample: SampleTenant, consultant: User, client: User) -> None:
    """Confirm tasks that no check can verify."""
    plan = Plan.objects.get(tenant=tenant)
    tasks = Task.objects.filter(
        plan=plan, applies=True, is_group=False, phase__position__lt=sample.done_up_to
    )
    for task in tasks.select_related("plan__tenant"):
        is_verified = task.check_kinds and task.role != TaskRole.SWITCHES_OUTBOUND
        if (is_verified and not task.confirmation_suffices) or task.is_optional or task.is_timed:
            continue
        if unplanned_for(task, plan.tasks.all(), sample.cutovers):
            continue
        _record_facts(task, consultant)
        if any(row.missing_text for row in load_field_rows(task, task.plan.tenant)):
            # The lab serves no onmicrosoft domain.
            continue
        if task.is_hard_gate:
            _passed(task, consultant, client)
            continue
        if task.responsibility != Responsibility.CLIENT:
            _confirm_for_side(task, consultant, Responsibility.MIMECAST)
        if task.responsibility != Responsibility.MIMECAST:
            _confirm_for_side(task, client, Responsibility.CLIENT)
    recompute_rollup(plan)


def _record_facts(task: Task, consultant: User) -> None:
    """Save a value for each field of the task, as the two sides record it in a session."""
    tenant, values = task.plan.tenant, {}
    rows = load_field_rows(task, tenant)
    for row in rows:
        if row.definition.type is FieldType.FILE:
            export = SimpleUploadedFile("connection-filter.txt", b"Identity: Default\n")
            store_file(task, export, by=consultant)
        elif row.definition.type is FieldType.FACT:
            _add_contacts(tenant)
        elif row.definition.required:
            values[row.name] = _sample_value(row.definition, tenant)
    save_fields(
        task,
        values,
        by=consultant,
        actor=actor_for(consultant, tenant),
        expected=fingerprint(rows),
    )


def _add_contacts(tenant: Tenant) -> None:
    for role in Contact.Role.values:
        Contact.objects.get_or_create(tenant=tenant, role=role, defaults={"name": CLIENT[1]})


def _sample_value(definition: FieldDefinition, tenant: Tenant) -> Any:
    if definition.profile:
        return f"{tenant.region_values.account_code_prefix}12A345"
    match definition.type:
        case FieldType.DATE:
            return (database_time.now().date() - timedelta(days=10)).isoformat()
        case FieldType.PEOPLE:
            return [CONSULTANT[1], CLIENT[1]]
        case FieldType.NUMBER:
            return 180
        case FieldType.CHOICE:
            return definition.choices[-1]
    return "Tested with the consultant, as agreed in the session"


def _confirm_for_side(task: Task, by: User, side: Responsibility) -> None:
    if not is_confirmed_by_sign_off(task):
        confirm_task(task, by=by, side=side)
        return
    sheet = RequirementsSheet.objects.select_related("task__plan__tenant").get(task=task)
    # Fixed questions without any answer block a sign-off.
    if sheet.row_count or not definition_of(sheet).is_fixed:
        sign_off(
            sheet,
            by=by,
            side=side,
            expected_revision=sheet.revision,
            reason="The session of next week answers the rest.",
        )


def _passed(task: Task, consultant: User, client: User) -> None:
    """Confirm a gate as of a time at which its dependencies were verified."""
    now = database_time.now()
    Task.objects.filter(pk=task.pk).update(
        mimecast_confirmed_at=now,
        mimecast_confirmed_by=consultant,
        client_confirmed_at=now,
        client_confirmed_by=client,
    )
    if task.role == TaskRole.SWITCHES_OUTBOUND:
        # The sample profile has no DKIM selector, so that no message can verify the cutover. Its
        # accepted risk starts no days.
        concerned = Q(pk=task.pk) | Q(plan=task.plan, wait_after=task.key)
        Task.objects.filter(concerned).update(
            manual_status=ManualStatus.ACCEPTED_RISK,
            status_reason="The sample has no signed message.",
            status_set_at=now,
            status_set_by=consultant,
            accepted_until=now + timedelta(days=365),
        )
