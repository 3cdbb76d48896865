"""Factories: users named by their role, tenants, and recorded runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.models import (
    Contact,
    DomainProgress,
    EvidenceFile,
    PlanTemplate,
    RequirementsSheet,
    SheetRow,
    Task,
    TaskRole,
)
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans.recorded_facts import RECORDED_FACTS
from tenants.activity import hash_of
from tenants.models import ActivityChain, ActivityLine, Domain, Host, Membership, Tenant, User
from tests.tenant_copies import RecordedTenant, copy_of, record

TOKEN = "0ed1fe018a3f2b9c5e7a1d4e8f9b0c1d2e3f4a5b6c"
START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)

DEFAULTS = {
    "region": "us",
    "platform": "microsoft_365",
    "directory_method": "entra_id",
}

MakeTenant = Callable[..., Tenant]
RunCheck = Callable[..., None]
SignIn = Callable[[User], Client]


# The tenants of this test process, by the values that they were created from.
_RECORDED: dict[str, RecordedTenant] = {}


class HostRow(NamedTuple):
    """A host for `make_tenant`."""

    purpose: str
    name: str
    port: int
    recipient: str = ""


@pytest.fixture
def consultant(db: None) -> User:
    return User.objects.create_user(
        "consultant@gangway.test",
        "pw",
        name="Con Sultant",
        staff_role="consultant",
        ended_tour="consultant",
    )


@pytest.fixture
def manager(db: None) -> User:
    return User.objects.create_user(
        "manager@gangway.test", "pw", name="Man Ager", staff_role="manager", ended_tour="manager"
    )


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_user(
        "administrator@gangway.test",
        "pw",
        name="Ad Ministrator",
        staff_role="administrator",
        ended_tour="administrator",
    )


@pytest.fixture
def make_tenant(db: None) -> MakeTenant:
    # A test with commits empties the tables at its end. To compare all versions costs 10 ms.
    if not PlanTemplate.objects.exists():
        register_builtin_templates()

    def make(
        name: str = "Northwind",
        domains: tuple[tuple[str, str], ...] = (("northwind.test", "primary"),),
        hosts: tuple[HostRow, ...] = (),
        **profile: Any,
    ) -> Tenant:
        # The plan does not depend on the consultant, a user with another id in each test.
        consultant = profile.pop("consultant", None)
        made_from = repr((profile, domains, hosts, _other_inputs()))
        if made_from in _RECORDED:
            return copy_of(_RECORDED[made_from], name, consultant)
        values = DEFAULTS | {"name": name, "consultant": consultant} | profile
        tenant = create_by_service(values, domains, hosts)
        # A user of this test has another id in the next test.
        if not any(isinstance(value, Model) for value in profile.values()):
            _RECORDED[made_from] = record(tenant)
        return tenant

    return make


def create_by_service(
    values: dict[str, Any], domains: tuple[tuple[str, str], ...], hosts: tuple[HostRow, ...] = ()
) -> Tenant:
    entry = ProfileEntry(
        [Domain(name=each, role=role, ownership_token=TOKEN) for each, role in domains],
        [Host(**host._asdict()) for host in hosts],
    )
    return create_tenant(Tenant(**values), entry, by=None)


def _other_inputs() -> tuple[object, ...]:
    """The inputs of a new tenant besides its values: templates, time and settings."""
    return (
        timezone.now().date(),
        PlanTemplate.objects.order_by("-version").values_list("pk", "loaded_at").first(),
        settings.CHECKS_TTL_THRESHOLD_SECONDS,
        settings.CHECKS_CONTROL_TARGET,
        settings.LAB,
    )


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant()


def client_person(tenant: Tenant, role: str) -> User:
    user = User.objects.create_user(
        f"{role}@northwind.test", "pw", name=f"{role.title()} Person", ended_tour=role
    )
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


@pytest.fixture
def owner(tenant: Tenant) -> User:
    return client_person(tenant, "owner")


@pytest.fixture
def member(tenant: Tenant) -> User:
    return client_person(tenant, "member")


@pytest.fixture
def viewer(tenant: Tenant) -> User:
    return client_person(tenant, "viewer")


@pytest.fixture
def outsider(make_tenant: MakeTenant) -> User:
    """The owner of another tenant."""
    other = make_tenant("Elsewhere", domains=(("elsewhere.test", "primary"),))
    user = User.objects.create_user("outsider@elsewhere.test", "pw", name="Out Sider")
    Membership.objects.create(tenant=other, user=user, role="owner")
    return user


@pytest.fixture
def signed_in(client: Client) -> SignIn:
    def sign_in(user: User) -> Client:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def run_check(django_capture_on_commit_callbacks: Any) -> RunCheck:
    """Record a run of a check `minutes` after START, and execute its commit callbacks."""

    def record(
        tenant: Tenant,
        kind: CheckKind,
        verdict: Verdict,
        *,
        subject: str = "",
        minutes: float = 0,
        unanimous: bool = True,
        code: str = "",
    ) -> None:
        checks = Check.objects.filter(tenant=tenant, kind=kind)
        check = checks.get(domain__name=subject) if subject else checks.get()
        findings = (Finding(code),) if code else ()
        outcome = Outcome(kind, subject, verdict, findings, {}, unanimous)
        with django_capture_on_commit_callbacks(execute=True):
            record_run(
                check.pk,
                outcome,
                expectation=check.expectation,
                at=START + timedelta(minutes=minutes),
            )

    return record


def task_of(tenant: Tenant, key: str) -> Task:
    return Task.objects.get(plan__tenant=tenant, key=key)


def store_earlier_line(tenant: Tenant, action: str, params: dict[str, Any]) -> ActivityLine:
    """Append a line with an earlier name, which `write_activity` rejects today."""
    chain = ActivityChain.objects.get(scope=tenant.public_id)
    line = ActivityLine(
        tenant=tenant,
        scope=chain.scope,
        number=chain.length + 1,
        at=timezone.now(),
        action=action,
        params=params,
        previous_hash=chain.head,
    )
    line.hash = hash_of(line)
    line.save()
    chain.length, chain.head = line.number, line.hash
    chain.save()
    return line


def store_audit_line(action: str, params: dict[str, Any], *, version: int) -> ActivityLine:
    """Append a line to the installation's log as an earlier version wrote it."""
    chain, _ = ActivityChain.objects.get_or_create(scope=ActivityChain.INSTALLATION)
    line = ActivityLine(
        scope=chain.scope,
        number=chain.length + 1,
        at=timezone.now(),
        action=action,
        params=params,
        previous_hash=chain.head,
        version=version,
    )
    line.hash = hash_of(line)
    line.save()
    chain.length, chain.head = line.number, line.hash
    chain.save()
    return line


_SAMPLE_VALUES: dict[str, Any] = {
    "date": "2026-11-02",
    "people": ["Ann Example"],
    "number": 20,
    "text": "none",
}


def record_fact(tenant: Tenant, fact: str) -> None:
    """Store a fact that a task requires, where it is missing."""
    if RECORDED_FACTS[fact].read(tenant):
        return
    if fact == "routing-domain":
        made = Domain.objects.create(
            tenant=tenant, name="northwind.onmicrosoft.com", role="routing"
        )
        # The lab has no zone of Microsoft's domain.
        DomainProgress.objects.create(
            task=Task.objects.get(plan__tenant=tenant, role=TaskRole.VERIFIES_OWNERSHIP),
            domain=made,
            exempted_at=timezone.now(),
            exempt_reason="Microsoft hosts its zone.",
        )
    elif fact == "outbound-addresses":
        sheet = RequirementsSheet.objects.get(
            task__plan__tenant=tenant, task__role=TaskRole.GATHERS_OUTBOUND_ADDRESSES
        )
        SheetRow.objects.create(
            sheet=sheet, position=1, key="192.0.2.1", values={"address": "192.0.2.1"}
        )
    else:
        roles = ["emergency"] if fact == "emergency-contact" else Contact.Role.values
        for role in roles:
            Contact.objects.get_or_create(tenant=tenant, role=role, name="Ann Example")


def fill_fields(task: Task) -> Task:
    """Store a value for every required field of the task, and attach a file if it asks for one."""
    for data in task.fields:
        if data["type"] == "file":
            EvidenceFile.objects.create(
                task=task, name="a.png", content_type="image/png", size=1, stored_as=task.public_id
            )
        elif data["type"] == "fact":
            record_fact(task.plan.tenant, data["fact"])
        elif data.get("profile"):
            setattr(task.plan.tenant, data["profile"], "CUSA1")
            task.plan.tenant.save()
        elif data["required"]:
            value = data["choices"][0] if "choices" in data else _SAMPLE_VALUES[data["type"]]
            domains = task.plan.tenant.domains.filter(role__in=task.domain_roles)
            names = [f".{domain.public_id}" for domain in domains] if "per_domain" in data else [""]
            for name in names:
                task.field_values[data["key"] + name] = {
                    "value": value,
                    "by": "Ann Example",
                    "at": START.isoformat(),
                }
    task.save()
    return task
