"""The pages with proposed values: forms, decisions and labels."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.share_links import create_share_link
from onboarding.lifecycle import proposals
from onboarding.lifecycle.closing_pack.contents import closing_pack_content
from onboarding.lifecycle.proposals import (
    add_host,
    confirm_values,
    state_of,
)
from onboarding.models import Task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.tenant_values import TenantValues
from tenants.models import Host, Membership, Tenant, User
from tenants.proposals import MOST_PROPOSED_HOSTS, ProposalKind, values_in_use
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck, SignIn, task_of
from tests.proposals import CODE, DKIM, LABEL, OWNERSHIP, check_of, domain_of, expected_of, propose

pytestmark = [pytest.mark.django_db]


# --- Pages


def url(name: str, *ids: str) -> str:
    return reverse(f"onboarding:{name}", args=ids)


def page(client: Client, name: str, *ids: str, query: str = "") -> str:
    return " ".join(client.get(url(name, *ids) + query).content.decode().split())


def post_value(client: Client, tenant: Tenant, kind: ProposalKind = OWNERSHIP, **data: str) -> Any:
    domain = domain_of(tenant)
    data = {"expected": state_of(domain, kind), "from": "my-tasks", **data}
    return client.post(url("domain-value-enter", tenant.public_id, domain.public_id, kind), data)


def test_client_enters_code(bare: Tenant, member: User, signed_in: SignIn) -> None:
    response = post_value(signed_in(member), bare, ownership_token=f' "{CODE}" ')

    assert response.status_code == 302
    assert response["Location"] == url("my-tasks", bare.public_id)
    assert values_in_use(domain_of(bare), OWNERSHIP)["ownership_token"] == CODE


@pytest.mark.parametrize(
    ("kind", "name", "typed", "problem"),
    [
        (OWNERSHIP, "ownership_token", "two words", "The code contains no spaces."),
        (OWNERSHIP, "ownership_label", "a.b", "A CNAME host is one label"),
        (DKIM, "dkim_selectors", "bad!", "“bad!” is not a DKIM selector."),
        (OWNERSHIP, "ownership_token", "", "Copy the value from your Mimecast console."),
        (OWNERSHIP, "ownership_token", "x" * 129, "at most 128 characters"),
    ],
)
def test_bad_value_is_retained(
    bare: Tenant,
    member: User,
    signed_in: SignIn,
    kind: ProposalKind,
    name: str,
    typed: str,
    problem: str,
) -> None:
    response = post_value(signed_in(member), bare, kind, **{name: typed})

    text = response.content.decode()
    assert response.status_code == 422
    assert problem in text
    assert f'value="{typed}"' in text or not typed
    assert domain_of(bare).proposals == {}


def test_difference_is_shown_at_its_field(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    response = post_value(signed_in(member), tenant, ownership_token=CODE)

    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["ownership_token"]
    assert f'value="{CODE}"' in response.content.decode()
    assert (
        post_value(signed_in(member), tenant, ownership_token=CODE, is_change="on").status_code
        == 302
    )


def test_conflict_retains_typed_value(bare: Tenant, member: User, signed_in: SignIn) -> None:
    client = signed_in(member)
    response = post_value(client, bare, ownership_token=CODE, expected="old")

    assert response.status_code == 422
    assert "Another user changed this value." in response.content.decode()
    expected = response.context["form"]["expected"].value()
    assert post_value(client, bare, ownership_token=CODE, expected=expected).status_code == 302


def test_client_enters_host(bare: Tenant, member: User, signed_in: SignIn) -> None:
    client, address = signed_in(member), url("host-enter", bare.public_id)

    assert client.post(address, {"name": "http://x", "port": "25"}).status_code == 422
    assert client.post(address, {"name": "mail.x.test", "port": "0"}).status_code == 422
    assert client.post(address, {"name": "Mail.X.test.", "port": "25"}).status_code == 302
    assert [(str(host), host.is_proposed) for host in bare.hosts.all()] == [
        ("mail.x.test:25", True)
    ]


def test_viewer_may_not_propose(bare: Tenant, viewer: User, signed_in: SignIn) -> None:
    client = signed_in(viewer)

    assert post_value(client, bare, ownership_token=CODE).status_code == 403
    assert client.post(url("host-enter", bare.public_id), {"name": "a.test"}).status_code == 403


def test_client_may_not_decide(bare: Tenant, owner: User, signed_in: SignIn) -> None:
    domain = propose(bare, owner)
    host = add_host(bare, name="mail.x.test", port=25, by=owner, decides=False)
    client = signed_in(owner)

    ids = (bare.public_id, domain.public_id, "ownership")
    assert client.post(url("domain-value-confirm", *ids)).status_code == 403
    assert client.post(url("domain-value-reject", *ids)).status_code == 403
    assert client.post(url("host-confirm", bare.public_id, host.public_id)).status_code == 403
    assert domain_of(bare).ownership_token == ""


def test_foreign_ids_are_not_found(
    bare: Tenant, outsider: User, member: User, consultant: User, signed_in: SignIn
) -> None:
    elsewhere = Tenant.objects.get(name="Elsewhere")
    foreign, host = (
        propose(elsewhere, outsider, is_change=True),
        add_host(elsewhere, name="mail.elsewhere.test", port=25, by=outsider, decides=False),
    )
    ids = (bare.public_id, foreign.public_id, "ownership")

    for user in (member, consultant):
        client = signed_in(user)
        assert client.post(url("domain-value-enter", *ids)).status_code == 404
    client = signed_in(consultant)
    for name in ("domain-value-confirm", "domain-value-reject"):
        assert client.post(url(name, *ids), {"reason": "No."}).status_code == 404
    for name in ("host-confirm", "host-reject"):
        assert client.post(url(name, bare.public_id, host.public_id)).status_code == 404
    assert (
        client.post(
            url("domain-value-enter", bare.public_id, domain_of(bare).public_id, "hosts")
        ).status_code
        == 404
    )
    assert Host.objects.get(pk=host.pk).is_proposed


def test_consultant_confirms_with_one_click(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn
) -> None:
    domain = propose(bare, member)
    client = signed_in(consultant)
    confirm = url("domain-value-confirm", bare.public_id, domain.public_id, "ownership")
    for shown in (
        page(client, "plan-show", bare.public_id),
        page(client, "domains", bare.public_id),
    ):
        assert confirm in shown

    response = client.post(confirm, {"expected": expected_of(domain), "from": "domains"})

    assert response["Location"] == url("domains", bare.public_id)
    assert domain_of(bare).ownership_token == CODE
    assert 'id="proposals"' not in page(client, "plan-show", bare.public_id)


def test_rejection_needs_reason(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn
) -> None:
    domain = propose(bare, member)
    client = signed_in(consultant)
    reject = url("domain-value-reject", bare.public_id, domain.public_id, "ownership")
    expected = client.get(reject).context["form"]["expected"].value()

    assert client.post(reject, {"expected": expected, "reason": " "}).status_code == 422
    assert client.post(reject, {"expected": expected, "reason": "Old code."}).status_code == 302
    phase = task_of(bare, "domain-ownership").phase.key
    shown = page(signed_in(member), "plan-show", bare.public_id, query=f"?phase={phase}")
    assert "Con Sultant rejected" in shown
    assert "Reason: Old code." in shown


@pytest.mark.slow
def test_every_page_labels_proposal(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    propose(bare, member)
    propose(bare, member, DKIM, dkim_selectors="mimecast1")
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    check = check_of(bare, CheckKind.OWNERSHIP)
    task = task_of(bare, "domain-ownership")
    _, token = create_share_link(bare.plan, task, recipient="dns", days=1, by=member)
    client = signed_in(consultant)

    pages = {
        "plan": page(client, "plan-show", bare.public_id, query=f"?phase={task.phase.key}"),
        "domains": page(client, "domains", bare.public_id),
        "evidence": page(client, "domains", bare.public_id, query=f"?check={check.public_id}"),
        "profile": page(client, "profile-edit", bare.public_id),
        "share link": " ".join(Client().get(url("share-link", token)).content.decode().split()),
    }
    assert {name: LABEL in text for name, text in pages.items()} == dict.fromkeys(pages, True)
    assert "Correct, but the value is not confirmed yet" in pages["evidence"]
    assert pages["share link"].count(LABEL) == 2  # the record and the check


def test_card_sentence_names_consultant(
    bare: Tenant, member: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    propose(bare, member)
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    phase = task_of(bare, "domain-ownership").phase.key
    others = Task.objects.filter(plan__tenant=bare, is_group=False).exclude(key="domain-ownership")
    others.update(manual_status="declined", status_reason="Not wanted.")
    recompute_rollup(bare.plan)

    shown = page(signed_in(member), "plan-show", bare.public_id, query=f"?phase={phase}")

    assert f"is {LABEL}. A consultant confirms or rejects it." in shown


def test_runbook_values_are_labelled(bare: Tenant, member: User) -> None:
    propose(bare, member)
    propose(bare, member, DKIM, dkim_selectors="mimecast1=MIIB")
    add_host(bare, name="mail.x.test", port=25, by=member, decides=False)
    values = TenantValues(PlanContext.of(bare), bare.region_values)

    found = {
        name: (values.get(name).items, values.get(name).proposed)
        for name in ("ownership_codes", "dkim_selectors", "delivery_hosts")
    }
    assert found == {
        "ownership_codes": ((f"northwind.test: {CODE}",), (f"northwind.test: {LABEL}",)),
        "dkim_selectors": (
            ("mimecast1._domainkey.northwind.test",),
            (f"northwind.test: {LABEL}",),
        ),
        "delivery_hosts": (("mail.x.test:25",), (f"mail.x.test:25: {LABEL}",)),
    }


def test_closing_pack_labels_proposal(bare: Tenant, member: User) -> None:
    propose(bare, member)
    add_host(bare, name="mail.x.test", port=25, by=member, decides=False)

    found = closing_pack_content(bare)["tenant"]["proposals"]

    assert [(each["title"], each["value"], each["label"]) for each in found] == [
        ("ownership code", CODE, LABEL),
        ("delivery host", "mail.x.test:25", LABEL),
    ]


def test_readiness_waits_for_decision(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    domain = propose(bare, member)
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    cutover = cutover_of(bare, "outbound", timezone.now() + timedelta(days=9))
    ids, client = (bare.public_id, cutover.public_id), signed_in(consultant)
    waiting = "the client proposed the value, and no consultant has confirmed it."
    assert waiting in page(client, "cutover-room", *ids)

    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    shown = page(client, "cutover-room", *ids)
    assert (waiting in shown, "ownership is verified." in shown) == (False, True)


def test_preflight_labels_proposal(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn
) -> None:
    domain = propose(bare, member)
    cutover = cutover_of(bare, "outbound", timezone.now() + timedelta(days=9))
    address = url("preflight", bare.public_id, cutover.public_id)

    response = signed_in(consultant).post(
        address, {"domain": domain.public_id, "records": f'@ TXT "{CODE}"', "policy": ""}
    )

    assert f"Ownership · {LABEL}" in [each.label for each in response.context["results"]]


def test_search_labels_proposed_host(
    bare: Tenant, member: User, consultant: User, signed_in: SignIn
) -> None:
    add_host(bare, name="mail.x.test", port=25, by=member, decides=False)

    shown = page(signed_in(consultant), "search", query="?q=mail.x.test")

    assert f"Northwind · {LABEL}" in shown


def test_test_message_page_labels_selector(bare: Tenant, member: User, signed_in: SignIn) -> None:
    propose(bare, member, DKIM, dkim_selectors="mimecast1")
    message = check_of(bare, CheckKind.MESSAGE)

    shown = page(signed_in(member), "test-message", bare.public_id, message.public_id)

    assert f"The selector is {LABEL}." in shown


@pytest.mark.slow
def test_values_are_entered_often_but_not_endlessly(
    bare: Tenant, member: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = signed_in(member), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    codes = [post_value(client, bare).status_code for _ in range(61)]

    assert (codes[0], codes[-1]) == (422, 429)


def test_proposed_host_is_not_known(bare: Tenant, member: User) -> None:
    """The change sheet asks before it removes the MX record of a host that only a client named."""
    add_host(bare, name="mail.x.test", port=25, by=member, decides=False)

    assert PlanContext.of(bare).confirmed_hosts == set()


def test_closed_tenant_accepts_no_proposal(bare: Tenant, member: User, signed_in: SignIn) -> None:
    Tenant.objects.filter(pk=bare.pk).update(closed_at=timezone.now())

    assert post_value(signed_in(member), bare, ownership_token=CODE).status_code == 403
    assert MOST_PROPOSED_HOSTS == 20


# --- Tenant list


def test_tenant_list_counts_open_proposals(
    bare: Tenant, make_tenant: MakeTenant, consultant: User, member: User, signed_in: SignIn
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    make_tenant("Without")
    propose(bare, member)
    add_host(bare, name="mail.northwind.test", port=25, by=member, decides=False)
    add_host(other, name="mail.other.test", port=25, by=member, decides=False)
    add_host(other, name="mx.other.test", port=25, by=consultant, decides=True)

    html = page(signed_in(consultant), "tenant-list", query="?show=all")

    found = re.findall(r'href="([^"]+)#proposals" >([^<]+)<', html)
    assert found == [
        (url("plan-show", bare.public_id), "2 proposals to decide"),
        (url("plan-show", other.public_id), "1 proposal to decide"),
    ]
    assert 'id="proposals"' in page(signed_in(consultant), "plan-show", bare.public_id)


def test_decision_ends_its_count(
    bare: Tenant, consultant: User, member: User, signed_in: SignIn
) -> None:
    domain = propose(bare, member)
    host = add_host(bare, name="mail.northwind.test", port=25, by=member, decides=False)

    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))
    proposals.reject_host(host, by=consultant, reason="Another server.")

    assert "to decide" not in page(signed_in(consultant), "tenant-list", query="?show=all")


def test_closed_tenant_has_no_proposal_to_decide(
    bare: Tenant, consultant: User, member: User, signed_in: SignIn
) -> None:
    propose(bare, member)
    Tenant.objects.filter(pk=bare.pk).update(closed_at=timezone.now())

    html = page(signed_in(consultant), "tenant-list", query="?show=closed")

    assert bare.name in html
    assert "to decide" not in html


def test_client_sees_no_count_of_decisions(
    bare: Tenant, member: User, make_tenant: MakeTenant, signed_in: SignIn
) -> None:
    Membership.objects.create(tenant=make_tenant("Second"), user=member, role="member")
    propose(bare, member)

    html = page(signed_in(member), "tenant-list")

    assert bare.name in html
    assert "to decide" not in html
