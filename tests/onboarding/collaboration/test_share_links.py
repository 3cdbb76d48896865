"""Share links: access to one task or one domain without an account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.collaboration.share_links import create_share_link
from onboarding.models import ShareLink, Task
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import TOKEN, MakeTenant, RunCheck, SignIn, task_of
from tests.markup import texts


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def link_to(subject: Task | Domain, tenant: Tenant, by: User) -> str:
    _, token = create_share_link(tenant.plan, subject, recipient="DNS team", days=7, by=by)
    return reverse("onboarding:share-link", args=[token])


def test_share_link_is_shown_once(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    task = task_of(tenant, "domain-ownership")
    address = reverse("onboarding:task-share-link", args=[tenant.public_id, task.public_id])

    page = signed_in(owner).post(address, {"recipient": "DNS team", "days": "7"}).content.decode()

    found = re.search(r"http://testserver(/h/[^<\s]+/)", page)
    assert found is not None
    assert Client().get(found.group(1)).status_code == 200
    made = ShareLink.objects.get()
    assert (made.recipient, made.task, made.created_by) == ("DNS team", task, owner)
    assert found.group(1).split("/")[2] not in str(ShareLink.objects.values())


def test_task_link_shows_only_its_record(tenant: Tenant, owner: User) -> None:
    task = task_of(tenant, "domain-ownership")

    page = Client().get(link_to(task, tenant, owner)).content.decode()

    others = Task.objects.filter(plan__tenant=tenant).exclude(pk=task.pk)
    assert TOKEN in page
    assert [other.title for other in others if f"<h2>{other.title}</h2>" in page] == []
    assert tenant.public_id not in page


def test_domain_link_shows_only_its_domain(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant("Two", domains=(("one.test", "primary"), ("two.test", "secondary")))

    page = Client().get(link_to(tenant.domains.get(name="two.test"), tenant, consultant))

    assert "two.test" in page.content.decode()
    assert "one.test" not in page.content.decode()


def test_record_of_blocked_task_is_hidden(tenant: Tenant, owner: User) -> None:
    """An MX record published early loses mail."""
    page = Client().get(link_to(tenant.domains.get(), tenant, owner)).content.decode()

    cutover = page.partition("MX")[2]
    assert "Do not publish yet." in cutover
    assert [host for host in tenant.region_values.mx if host in page] == []


@pytest.mark.parametrize(("ahead", "is_shown"), [(1, True), (-1, False)])
def test_mx_record_shows_its_window(
    tenant: Tenant, owner: User, ahead: int, is_shown: bool
) -> None:
    Task.objects.filter(plan__tenant=tenant, key="mx-record-cutover").update(depends_on=[])
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=ahead))

    page = Client().get(link_to(tenant.domains.get(), tenant, owner)).content.decode()

    assert (
        any("Do not publish before the window. northwind.test:" in n for n in texts(page, ".note"))
        is is_shown
    )
    assert "us-smtp-inbound-1.mimecast.com" in page


@pytest.mark.parametrize(
    ("published", "asks"),
    [("20 backup.elsewhere.test", True), ("10 us-smtp-inbound-1.mimecast.com", False)],
)
def test_unknown_removals_need_confirmation(
    tenant: Tenant, owner: User, published: str, asks: bool
) -> None:
    Task.objects.filter(plan__tenant=tenant, key="mx-record-cutover").update(depends_on=[])
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    server = {"name": "ns1.test", "address": "192.0.2.1", "status": "records"}
    evidence = {"servers": [server | {"values": [published], "ttl": 300}]}
    outcome = Outcome(CheckKind.MX, "northwind.test", Verdict.FAIL, (), evidence)
    record_run(check.pk, outcome, expectation=check.expectation, at=timezone.now())

    page = Client().get(link_to(task_of(tenant, "mx-record-cutover"), tenant, owner))

    html = page.content.decode()
    assert "us-smtp-inbound-1.mimecast.com" in html
    assert ("Ask before you publish." in html, f"<code>{published}</code>" in html) == (asks, asks)


@pytest.mark.usefixtures("fixed_monday")
def test_shared_page_follows_the_checks(tenant: Tenant, owner: User, run_check: RunCheck) -> None:
    link = link_to(task_of(tenant, "domain-ownership"), tenant, owner)
    client = Client()
    before = client.get(f"{link}revision/").content

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    page = " ".join(client.get(link).content.decode().split())
    assert client.get(f"{link}revision/").content != before
    assert "Correct" in page
    assert TOKEN not in page


def test_check_now_runs_only_its_checks(tenant: Tenant, owner: User) -> None:
    link = link_to(task_of(tenant, "domain-ownership"), tenant, owner)

    response = Client().post(f"{link}run/")

    hurried = Check.objects.filter(requested_until__isnull=False)
    assert response["Location"] == link
    assert [check.kind for check in hurried] == ["ownership"]


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_time")
def test_check_now_is_throttled(tenant: Tenant, owner: User) -> None:
    link = link_to(task_of(tenant, "domain-ownership"), tenant, owner)
    client = Client()

    statuses = [client.post(f"{link}run/").status_code for _ in range(31)]

    assert (statuses[0], statuses[-1]) == (302, 429)


def _revoked(made: ShareLink, link: str) -> str:
    ShareLink.objects.update(revoked_at=timezone.now())
    return link


def _expired(made: ShareLink, link: str) -> str:
    ShareLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return link


def _altered(made: ShareLink, link: str) -> str:
    return link[:-6] + ("A" if link[-6] != "A" else "B") + link[-5:]


def _by_public_id(made: ShareLink, link: str) -> str:
    return f"/h/{made.public_id}/"


def _of_closed(made: ShareLink, link: str) -> str:
    Tenant.objects.update(closed_at=timezone.now())
    return link


@pytest.mark.parametrize(
    ("spoil", "status"),
    [(_revoked, 410), (_expired, 410), (_of_closed, 410), (_altered, 404), (_by_public_id, 404)],
)
def test_invalid_share_link_opens_nothing(
    tenant: Tenant, owner: User, spoil: object, status: int
) -> None:
    assert callable(spoil)
    good = link_to(task_of(tenant, "domain-ownership"), tenant, owner)
    link = spoil(ShareLink.objects.get(), good)
    client = Client()

    shown = client.get(link)
    statuses = [client.post(f"{link}run/").status_code, client.get(f"{link}revision/").status_code]

    assert (shown.status_code, statuses) == (status, [status, 404])
    assert "This link does not work" in shown.content.decode()
    assert TOKEN not in shown.content.decode()
    assert not Check.objects.filter(requested_until__isnull=False).exists()


def test_revoked_link_fails_on_next_request(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    link = link_to(task_of(tenant, "domain-ownership"), tenant, owner)
    made = ShareLink.objects.get()
    outside = Client()
    before = outside.get(link).status_code

    signed_in(owner).post(
        reverse("onboarding:share-link-revoke", args=[tenant.public_id, made.public_id])
    )

    assert (before, outside.get(link).status_code) == (200, 410)


def test_share_link_use_is_logged(tenant: Tenant, owner: User) -> None:
    link = link_to(task_of(tenant, "domain-ownership"), tenant, owner)
    outside = Client(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Outside/1")

    outside.get(link)
    outside.post(f"{link}run/")

    lines = ActivityLine.objects.filter(tenant=tenant, action__startswith="share-link-")
    logged = [(li.action, li.address, li.agent, li.actor) for li in lines.order_by("number")[1:]]
    assert logged == [
        ("share-link-viewed", "192.0.2.7", "Outside/1", None),
        ("share-link-check-requested", "192.0.2.7", "Outside/1", None),
    ]
    assert ShareLink.objects.get().views == 1


def test_task_of_other_tenant_cannot_be_shared(
    tenant: Tenant, outsider: User, signed_in: SignIn
) -> None:
    own = Tenant.objects.get(name="Elsewhere")
    foreign = task_of(tenant, "domain-ownership")
    client = signed_in(outsider)

    statuses = [
        client.post(
            reverse("onboarding:task-share-link", args=[own.public_id, foreign.public_id]),
            {"recipient": "me", "days": "7"},
        ).status_code,
        client.post(
            reverse("onboarding:domain-share-link", args=[own.public_id]),
            {"recipient": "me", "days": "7", "domain": tenant.domains.get().public_id},
        ).status_code,
    ]

    assert (statuses, ShareLink.objects.count()) == ([404, 404], 0)
