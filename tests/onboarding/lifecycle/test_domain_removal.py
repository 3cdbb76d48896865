"""Removal of domains and hosts: effects, confirmation, history and restoring."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.collaboration.share_links import create_share_link, find
from onboarding.cutovers.snapshots import save_at_opening
from onboarding.lifecycle.closing_pack.contents import closing_pack_content
from tenants.models import ActivityLine, Domain, Host, Tenant, User
from tenants.tokens import LinkState
from tests.cutovers import cutover_of
from tests.factories import HostRow, MakeTenant, RunCheck, SignIn
from tests.markup import texts

SOLD, TYPO = "sold.test", "tpyo.test"


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant(
        domains=(("main.test", "primary"), (SOLD, "secondary"), (TYPO, "secondary")),
        hosts=(HostRow("delivery", "mail.main.test", 25), HostRow("delivery", "nope.test", 25)),
        platform="on_premises",
    )


def _form(client: Client, tenant: Tenant, remove: tuple[str, ...] = ()) -> dict[str, str]:
    """The data of the profile page, with these rows selected for removal."""
    page = client.get(reverse("onboarding:profile-edit", args=[tenant.public_id])).context
    form = {name: str(page["profile"][name].value() or "") for name in page["profile"].fields}
    form = {name: value for name, value in form.items() if value}
    for rows in (page["domains"], page["hosts"]):
        form |= {
            f"{rows.prefix}-TOTAL_FORMS": str(len(rows.initial_forms)),
            f"{rows.prefix}-INITIAL_FORMS": str(len(rows.initial_forms)),
        }
        for row in rows.initial_forms:
            form |= {
                f"{row.prefix}-{name}": str(row[name].value() or "")
                for name in row.fields
                if name not in ("DELETE", "consent")
            }
            if row.instance.name in remove:
                form[f"{row.prefix}-DELETE"] = "on"
    return form


def _save(client: Client, tenant: Tenant, form: dict[str, str]) -> Any:
    return client.post(reverse("onboarding:profile-edit", args=[tenant.public_id]), form)


def _remove(client: Client, tenant: Tenant, *names: str, **more: str) -> None:
    form = _form(client, tenant, names) | more
    asked = _save(client, tenant, form)
    assert asked.status_code == 422
    done = _save(
        client, tenant, form | {"confirmed_removals": asked.context["removals_fingerprint"]}
    )
    assert done.status_code == 302


def _prove(run_check: RunCheck, tenant: Tenant, domain: str) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, subject=domain)


def _see_nothing(run_check: RunCheck, tenant: Tenant, domain: str) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, subject=domain, code="ownership.not-found")


@pytest.mark.slow
def test_removal_needs_confirmed_effects(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, SOLD)
    _see_nothing(run_check, tenant, TYPO)
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9), SOLD, "main.test")
    client = signed_in(consultant)

    answer = _save(client, tenant, _form(client, tenant, (SOLD, TYPO)))

    shown = " ".join(texts(answer.content.decode(), "#removals"))
    assert answer.status_code == 422
    assert "remain stored and readable under Domains" in shown
    assert "Gangway deletes it permanently, with its 1 observation" in shown
    assert "continues without it" in shown
    assert tenant.domains.count() == 3
    assert Observation.objects.count() == 2


@pytest.mark.slow
def test_verified_domain_keeps_history(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, SOLD)
    check = Check.objects.get(domain__name=SOLD, kind=CheckKind.OWNERSHIP)
    client = signed_in(consultant)

    _remove(client, tenant, SOLD)

    assert sorted(tenant.domains.values_list("name", flat=True)) == ["main.test", TYPO]
    assert not Check.objects.filter(domain__name=SOLD, is_active=True).exists()
    assert Observation.objects.filter(check_asked=check).count() == 1
    page = reverse("onboarding:domains", args=[tenant.public_id])
    for person in (consultant, owner):
        html = signed_in(person).get(page, {"check": check.public_id}).content.decode()
        assert "Removed from the implementation: 1" in texts(html, "summary")
        assert "was removed from the implementation. Gangway no longer checks it" in " ".join(
            texts(html, "p")
        )
    assert ActivityLine.objects.get(action="subjects-removed").params["names"] == [SOLD]
    removed_at = {
        each["name"]: each["removed_at"]
        for each in closing_pack_content(tenant)["tenant"]["domains"]
    }
    assert (set(removed_at), removed_at[SOLD] is None) == ({"main.test", SOLD, TYPO}, False)


@pytest.mark.slow
def test_restored_domain_has_its_history(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, SOLD)
    before = Domain.objects.get(name=SOLD)
    client = signed_in(consultant)
    _remove(client, tenant, SOLD)
    form = _form(client, tenant)
    form |= {"domains-TOTAL_FORMS": "3", "domains-2-name": SOLD, "domains-2-role": "send_only"}

    assert _save(client, tenant, form).status_code == 302

    back = tenant.domains.get(name=SOLD)
    assert (back.pk, back.role, back.removed_by) == (before.pk, "send_only", None)
    check = Check.objects.get(domain=back, kind=CheckKind.SPF)
    assert (check.is_active, check.settled_verdict) == (True, "")
    assert Observation.objects.filter(check_asked__domain=back).count() == 1


@pytest.mark.slow
def test_unverified_domain_is_deleted_and_logged(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _see_nothing(run_check, tenant, TYPO)
    client = signed_in(consultant)

    _remove(client, tenant, TYPO)

    assert not Domain.all_objects.filter(name=TYPO).exists()
    line = ActivityLine.objects.get(action="subjects-deleted")
    assert (line.params["names"], line.params["answers"]) == ([TYPO], 1)
    page = client.get(reverse("onboarding:activity", args=[tenant.public_id])).content.decode()
    assert any(
        "deleted tpyo.test" in each and "1 stored answer" in each for each in texts(page, "li")
    )


@pytest.mark.slow
def test_domain_of_past_cutover_remains_listed(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    cutover = cutover_of(tenant, "inbound", long_ago, TYPO, "main.test")
    save_at_opening(cutover)
    run_check(tenant, CheckKind.MX, Verdict.FAIL, subject=TYPO)
    Observation.objects.update(first_seen_at=long_ago)
    client = signed_in(consultant)

    _remove(client, tenant, TYPO)

    address = reverse("onboarding:cutover-timeline", args=[tenant.public_id, cutover.public_id])
    assert TYPO in texts(client.get(address).content.decode(), "code")


@pytest.mark.slow
def test_changed_effects_need_new_confirmation(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    client = signed_in(consultant)
    form = _form(client, tenant, (TYPO,))
    asked = _save(client, tenant, form).context["removals_fingerprint"]
    _prove(run_check, tenant, TYPO)

    assert _save(client, tenant, form | {"confirmed_removals": asked}).status_code == 422
    assert tenant.domains.filter(name=TYPO).exists()


@pytest.mark.slow
def test_removal_in_open_window_is_rejected(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover_of(tenant, "inbound", timezone.now(), SOLD)
    client = signed_in(consultant)
    form = _form(client, tenant, (SOLD,))
    asked = _save(client, tenant, form)

    again = _save(
        client, tenant, form | {"confirmed_removals": asked.context["removals_fingerprint"]}
    )

    assert again.status_code == 422
    assert "Its cutover window is open" in " ".join(texts(again.content.decode(), "#removals"))
    assert "Remove and save profile" not in again.content.decode()
    assert tenant.domains.filter(name=SOLD).exists()


@pytest.mark.slow
def test_removed_domain_revokes_share_links(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, SOLD)
    domain = tenant.domains.get(name=SOLD)
    _, token = create_share_link(tenant.plan, domain, recipient="DNS", days=7, by=consultant)

    _remove(signed_in(consultant), tenant, SOLD)

    assert find(token)[0] is LinkState.REVOKED


@pytest.mark.slow
def test_removed_primary_can_be_replaced(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, "main.test")
    client = signed_in(consultant)

    _remove(client, tenant, "main.test", **{"domains-1-role": "primary"})

    assert tenant.domains.get(role="primary").name == SOLD


def test_two_domains_swap_roles(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    swapped = make_tenant("Swap", domains=(("a.test", "secondary"), ("b.test", "primary")))
    client = signed_in(consultant)
    form = _form(client, swapped) | {"domains-0-role": "primary", "domains-1-role": "secondary"}

    assert _save(client, swapped, form).status_code == 302
    assert swapped.domains.get(role="primary").name == "a.test"


@pytest.mark.slow
@pytest.mark.parametrize(("host", "stays"), [("mail.main.test", True), ("nope.test", False)])
def test_verified_host_keeps_history(
    tenant: Tenant, consultant: User, signed_in: SignIn, host: str, stays: bool
) -> None:
    answered = Check.objects.filter(host__name="mail.main.test", kind=CheckKind.SMTP)
    answered.update(first_verified_at=timezone.now())

    _remove(signed_in(consultant), tenant, host)

    assert not tenant.hosts.filter(name=host).exists()
    assert Host.all_objects.filter(name=host).exists() is stays


@pytest.mark.slow
def test_restoring_ignores_other_tenants(
    tenant: Tenant, consultant: User, outsider: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    _prove(run_check, tenant, SOLD)
    check = Check.objects.get(domain__name=SOLD, kind=CheckKind.OWNERSHIP)
    _remove(signed_in(consultant), tenant, SOLD)
    other = Tenant.objects.get(name="Elsewhere")

    page = reverse("onboarding:domains", args=[other.public_id])

    assert signed_in(outsider).get(page, {"check": check.public_id}).status_code == 404
    assert "Removed from the implementation" not in signed_in(outsider).get(page).content.decode()
