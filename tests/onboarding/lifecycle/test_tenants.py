"""Plans from profiles, profile changes, and confirmations of both sides."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from checks.engine.expected_values import DkimSelector
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.runs import build_request
from onboarding.errors import NotPermitted, OnboardingError
from onboarding.lifecycle.forms.profile import DomainForm, HostForm
from onboarding.lifecycle.tenants import ProfileEntry, record_profile_change, save_profile
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.services import (
    confirm_task,
    make_transition,
    set_responsibility,
    withdraw_confirmation,
)
from onboarding.plans.transitions import Actor
from tenants.domain_lifecycle import IDENTITY_FIELDS, PROFILE_FIELDS
from tenants.models import ActivityLine, Domain, Host, Tenant, User
from tests.factories import TOKEN, HostRow, MakeTenant, RunCheck, fill_fields, task_of


def _applies(tenant: Tenant, key: str) -> bool:
    return task_of(tenant, key).applies


def test_plan_has_all_template_tasks_in_order(tenant: Tenant) -> None:
    keys = list(Task.objects.filter(plan__tenant=tenant).values_list("key", flat=True))

    assert len(keys) == len(load_template_file().tasks)
    assert keys[:2] == ["initial-conversation", "mail-flow-infrastructure"]
    assert keys[-1] == "decommission-gateway"


@pytest.mark.parametrize(
    ("profile", "applying", "left_out"),
    [
        (
            {"platform": "microsoft_365", "directory_method": "entra_id"},
            ["office-365-connection-filter", "azure-ad-sync"],
            ["gsuite-whitelist", "ldap-connector", "data-centers-urls"],
        ),
        (
            {"platform": "google_workspace", "directory_method": "google"},
            ["gsuite-whitelist", "g-suite-sync"],
            ["office-365-connection-filter", "azure-ad-sync", "data-centers-urls"],
        ),
        (
            {"platform": "on_premises", "directory_method": "ldap", "rfi_used": True},
            ["data-centers-urls", "ldap-connector", "request-for-information"],
            ["gsuite-whitelist", "office-365-connection-filter", "url-protect"],
        ),
        (
            {"products": ["ttp_url", "secure_messaging"]},
            ["url-protect", "secure-messaging", "targeted-threat-protection"],
            ["attachment-protect", "large-file-send", "request-for-information"],
        ),
    ],
)
def test_profile_decides_applicable_tasks(
    make_tenant: MakeTenant, profile: dict[str, object], applying: list[str], left_out: list[str]
) -> None:
    tenant = make_tenant(**profile)

    assert [key for key in applying if not _applies(tenant, key)] == []
    assert [key for key in left_out if _applies(tenant, key)] == []
    assert all(task_of(tenant, key).not_applicable_reason for key in left_out)


def test_dkim_task_is_optional_until_in_use(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant()
    assert task_of(tenant, "dkim-update").is_optional

    tenant.dkim_in_use = True
    tenant.save(update_fields=["dkim_in_use"])
    record_profile_change(tenant, before={"dkim_in_use": False}, by=consultant)

    assert not task_of(tenant, "dkim-update").is_optional


def test_required_task_ends_its_decline(tenant: Tenant, consultant: User, owner: User) -> None:
    actor = Actor("client", may_manage_plan=False)
    make_transition(
        task_of(tenant, "dkim-update"), "decline", by=owner, actor=actor, reason="We do not sign."
    )

    tenant.dkim_in_use = True
    tenant.save(update_fields=["dkim_in_use"])
    record_profile_change(tenant, before={"dkim_in_use": False}, by=consultant)

    task = task_of(tenant, "dkim-update")
    assert (task.status, task.status_reason, task.undo) == ("todo", "", None)
    (line,) = ActivityLine.objects.filter(tenant=tenant, action="decline-cancelled")
    assert line.params["task"] == task.title


def test_profile_change_preserves_confirmation(
    make_tenant: MakeTenant, consultant: User, owner: User
) -> None:
    tenant = make_tenant("Changing", domains=(("changing.test", "primary"),))
    task = fill_fields(task_of(tenant, "office-365-connection-filter"))
    confirm_task(task, by=owner, side="client")

    for platform in ("google_workspace", "microsoft_365"):
        before = {"platform": tenant.platform}
        tenant.platform = platform
        tenant.save(update_fields=["platform"])
        record_profile_change(tenant, before=before, by=consultant)

    task = task_of(tenant, "office-365-connection-filter")
    assert (task.status, task.client_confirmed_by) == (TaskStatus.DONE, owner)


def test_inapplicable_task_is_not_counted(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(products=["ttp_url"])
    before = Plan.objects.get(tenant=tenant).tasks_total

    tenant.products = []
    tenant.save(update_fields=["products"])
    record_profile_change(tenant, before={"products": ["ttp_url"]}, by=consultant)

    assert Plan.objects.get(tenant=tenant).tasks_total == before - 1


def test_checks_follow_domains_and_hosts(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(
        domains=(
            ("one.test", "primary"),
            ("parked.test", "parked"),
            ("one.onmicrosoft.test", "routing"),
        ),
        hosts=(
            HostRow("delivery", "mail.one.test", 25),
            HostRow("directory", "dc.one.test", 636),
        ),
    )

    subjects = {
        (check.kind, check.subject)
        for check in Check.objects.filter(tenant=tenant).select_related("domain", "host")
    }
    assert subjects == {
        ("ownership", "one.test"),
        ("spf", "one.test"),
        ("mta_sts", "one.test"),
        ("dmarc", "one.test"),
        ("delivery_message", "one.test"),
        ("mx", "one.test"),
        ("mx_ttl", "one.test"),
        ("ownership", "one.onmicrosoft.test"),
        ("smtp", "mail.one.test:25"),
        ("ldaps", "dc.one.test:636"),
    }


def test_dkim_check_needs_a_selector(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    Domain.objects.filter(name="two.test").update(dkim_selectors="mc2026 mc2027=MIIB")

    apply_profile(tenant)

    checks = Check.objects.filter(tenant=tenant, kind=CheckKind.DKIM)
    assert [(check.subject, check.expectation) for check in checks] == [
        ("two.test", {"selectors": ["mc2026", "mc2027=MIIB"]})
    ]
    assert build_request(checks[0]).selectors == (
        DkimSelector("mc2026"),
        DkimSelector("mc2027", "MIIB"),
    )


def test_added_domain_reopens_its_tasks(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    Domain.objects.create(tenant=tenant, name="late.test", ownership_token=TOKEN)

    apply_profile(tenant)
    assert task_of(tenant, "domain-ownership").status == TaskStatus.TODO

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, subject="late.test")
    assert task_of(tenant, "domain-ownership").status == TaskStatus.VERIFIED


def test_ownership_needs_code_of_every_domain(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    Domain.objects.filter(name="two.test").update(ownership_token="")
    apply_profile(tenant)

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, subject="one.test")

    assert task_of(tenant, "domain-ownership").status == TaskStatus.TODO


def test_new_ownership_code_resets_check(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    Domain.objects.filter(tenant=tenant).update(ownership_token=TOKEN[:-1] + "d")

    apply_profile(tenant)

    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    assert (check.settled_verdict, task_of(tenant, "domain-ownership").status) == (
        "",
        TaskStatus.TODO,
    )


def test_ldap_needs_a_directory_host(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant(
        platform="on_premises",
        directory_method="ldap",
        hosts=(HostRow("delivery", "mail.one.test", 25),),
    )

    run_check(tenant, CheckKind.SMTP, Verdict.PASS)
    assert task_of(tenant, "data-centers-urls").status == TaskStatus.TODO

    Host.objects.create(tenant=tenant, purpose="directory", name="dc.one.test", port=636)
    apply_profile(tenant)
    run_check(tenant, CheckKind.LDAPS, Verdict.WARN)
    assert task_of(tenant, "data-centers-urls").status == TaskStatus.VERIFIED


# --- Joint responsibility


def test_joint_task_needs_both_sides(tenant: Tenant, consultant: User, owner: User) -> None:
    key = "mail-flow-infrastructure"

    confirm_task(task_of(tenant, key), by=consultant, side="mimecast")
    assert task_of(tenant, key).status == TaskStatus.PARTLY_CONFIRMED

    confirm_task(task_of(tenant, key), by=owner, side="client")
    assert task_of(tenant, key).status == TaskStatus.DONE


@pytest.mark.parametrize(
    ("key", "side"),
    [("account-creation", "client"), ("spf-update", "mimecast"), ("spf-update", "")],
)
def test_other_side_cannot_confirm(tenant: Tenant, owner: User, key: str, side: str) -> None:
    with pytest.raises(NotPermitted):
        confirm_task(task_of(tenant, key), by=owner, side=side)

    assert task_of(tenant, key).status == TaskStatus.TODO


def test_group_cannot_be_confirmed(tenant: Tenant, owner: User) -> None:
    with pytest.raises(OnboardingError, match="group"):
        confirm_task(task_of(tenant, "directory-connector"), by=owner, side="client")


def test_inapplicable_task_cannot_be_confirmed(tenant: Tenant, owner: User) -> None:
    with pytest.raises(OnboardingError, match="does not apply"):
        confirm_task(task_of(tenant, "gsuite-whitelist"), by=owner, side="client")


def test_confirmation_can_be_withdrawn(tenant: Tenant, owner: User) -> None:
    confirm_task(task_of(tenant, "end-user-asset-library"), by=owner, side="client")
    withdraw_confirmation(task_of(tenant, "end-user-asset-library"), by=owner, side="client")

    assert task_of(tenant, "end-user-asset-library").status == TaskStatus.TODO


def test_withdrawal_preserves_the_proof(tenant: Tenant, owner: User, run_check: RunCheck) -> None:
    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    with pytest.raises(OnboardingError, match="A check has verified this task"):
        withdraw_confirmation(task_of(tenant, "domain-ownership"), by=owner, side="client")

    assert task_of(tenant, "domain-ownership").status == TaskStatus.VERIFIED


def test_group_status_follows_sub_tasks(tenant: Tenant, owner: User) -> None:
    sub_tasks = Task.objects.filter(plan=tenant.plan, key="recipient-validation")
    sub_tasks.update(responsibility="client")
    for key in ("azure-ad-sync", "recipient-validation"):
        assert task_of(tenant, "directory-connector").status != TaskStatus.DONE
        confirm_task(fill_fields(task_of(tenant, key)), by=owner, side="client")

    assert task_of(tenant, "directory-connector").status == TaskStatus.DONE


def test_stated_responsibility_is_fixed(tenant: Tenant, consultant: User) -> None:
    set_responsibility(task_of(tenant, "training"), "mimecast", by=consultant)
    assert task_of(tenant, "training").responsibility == "mimecast"

    with pytest.raises(OnboardingError):
        set_responsibility(task_of(tenant, "spf-update"), "mimecast", by=consultant)
    assert task_of(tenant, "spf-update").responsibility == "client"


def test_lockdown_check_needs_control_target(make_tenant: MakeTenant, settings: Settings) -> None:
    tenant = make_tenant(hosts=(HostRow("delivery", "mail.one.test", 25),))
    before = Check.objects.filter(tenant=tenant, kind=CheckKind.LOCKDOWN).count()

    settings.CHECKS_CONTROL_TARGET = ("mx.example", 25)
    apply_profile(tenant)

    [check] = Check.objects.filter(tenant=tenant, kind=CheckKind.LOCKDOWN)
    assert (before, check.subject, build_request(check).control) == (
        0,
        "mail.one.test:25",
        ("mx.example", 25),
    )


# --- One path for creating and editing

ENTERED = {
    "name": "one.test",
    "role": "secondary",
    "ownership_token": TOKEN,
    "ownership_label": "mc-verify",
    "dkim_selectors": "mc2026",
    "original_mx_ttl_seconds": 172800,
}
CHANGED = ENTERED | {
    "role": "test",
    "ownership_token": TOKEN[:-1] + "d",
    "ownership_label": "mc-check",
    "dkim_selectors": "mc2027",
    "original_mx_ttl_seconds": 259200,
}


def _new_tenant() -> Tenant:
    return Tenant(name="One", region="us", platform="microsoft_365", directory_method="entra_id")


@pytest.fixture
def saved(consultant: User) -> Tenant:
    register_builtin_templates()
    tenant = _new_tenant()
    save_profile(tenant, ProfileEntry([Domain(**ENTERED)]), by=consultant)
    return tenant


def test_creating_stores_every_domain_field(saved: Tenant) -> None:
    assert Domain.objects.filter(tenant=saved).values(*ENTERED).get() == ENTERED


def test_editing_stores_every_domain_field(saved: Tenant, consultant: User) -> None:
    domain = Domain.objects.get(tenant=saved)
    for name, value in CHANGED.items():
        setattr(domain, name, value)

    save_profile(saved, ProfileEntry([domain]), by=consultant)

    assert Domain.objects.filter(tenant=saved).values(*CHANGED).get() == CHANGED
    assert saved.activity.get(action="subjects-changed").params["names"] == ["one.test"]


def test_unchanged_rows_leave_no_line(saved: Tenant, consultant: User) -> None:
    save_profile(saved, ProfileEntry([Domain.objects.get(tenant=saved)]), by=consultant)

    assert set(saved.activity.values_list("action", flat=True)) == {"tenant-created"}


def test_primary_moves_to_another_domain(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=(("one.test", "secondary"), ("two.test", "primary")))
    one, two = tenant.domains.all()
    one.role, two.role = "primary", "secondary"

    save_profile(tenant, ProfileEntry([one, two]), by=consultant)

    assert list(tenant.domains.values_list("name", "role")) == [
        ("one.test", "primary"),
        ("two.test", "secondary"),
    ]


@pytest.mark.parametrize(("model", "form"), [(Domain, DomainForm), (Host, HostForm)])
def test_every_column_is_entered_or_internal(
    model: type[Domain | Host], form: type[DomainForm | HostForm]
) -> None:
    """A new column of Domain or Host belongs to PROFILE_FIELDS, or to the list below."""
    internal = {"id", "public_id", "tenant", "created_at", "removed_at", "removed_by"}
    decided = {
        Domain: {"proposals"},
        Host: {
            *("consented_at", "consented_by", "proposed_at", "proposed_by"),
            *("confirmed_at", "confirmed_by", "rejection_reason"),
        },
    }[model]
    entered = IDENTITY_FIELDS[model] + PROFILE_FIELDS[model]

    columns = {field.name for field in model._meta.concrete_fields}
    assert columns - internal - decided == set(entered)
    # The formset adds "tenant".
    assert tuple(name for name in form.Meta.fields if name != "tenant") == entered
