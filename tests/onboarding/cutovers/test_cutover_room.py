"""The cutover room: its page, its window, and who may decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.cutovers.planning import change_cutover
from onboarding.models import Cutover, CutoverDomain
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn
from tests.markup import texts

pytestmark = pytest.mark.usefixtures("fixed_monday")

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
OLD = "10 mail.northwind.test"
NEW = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")


def seen(
    tenant: Tenant, kind: CheckKind, at: datetime, ttl: int | None, *values: str, servers: int = 4
) -> None:
    """All servers told the same at this moment, or nothing (no TTL)."""
    row: dict[str, Any] = {"status": "timeout", "values": [], "ttl": None}
    if ttl is not None:
        row = {"status": "records", "values": list(values), "ttl": ttl}
    rows = [{"name": f"ns{n}.test", "address": f"192.0.2.{n}"} | row for n in range(1, servers + 1)]
    check = Check.objects.get(tenant=tenant, kind=kind, domain__role="primary")
    latest = Observation.objects.create(
        check_asked=check,
        verdict="pass",
        evidence={"servers": rows},
        digest=f"{kind}{at.isoformat()}",
        first_seen_at=at,
        last_seen_at=at,
    )
    # Looked at again since, with the same answer.
    checked_at = max(at, timezone.now())
    Check.objects.filter(pk=check.pk).update(latest=latest, checked_at=checked_at)


def plan_inbound(tenant: Tenant, at: datetime) -> Cutover:
    return cutover_of(tenant, "inbound", at)


def address(cutover: Cutover, name: str = "cutover-room") -> str:
    return reverse(f"onboarding:{name}", args=[cutover.plan.tenant.public_id, cutover.public_id])


def _lowered(tenant: Tenant) -> None:
    """The worked vector: a day's TTL last seen Monday 09:00, 300 s everywhere at 09:05."""
    seen(tenant, CheckKind.MX_TTL, MONDAY.replace(hour=9), 86_400, OLD)
    seen(tenant, CheckKind.MX_TTL, MONDAY.replace(hour=9, minute=5), 300, OLD)


def test_the_room_tells_the_worked_vector_to_the_minute(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=1, hours=9, minutes=4))

    html = signed_in(owner).get(address(cutover)).content.decode()

    (row,) = [text for text in texts(html, "li") if "old TTL run out" in text]
    assert "Earliest safe cutover: Tue 1 Dec 09:05 UTC, because ns1.test (192.0.2.1) gave" in row
    assert "out 86400 s for northwind.test until Mon 30 Nov 09:05 UTC." in row


def test_what_nobody_looked_at_for_a_day_is_not_called_safe(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=9))
    Check.objects.update(checked_at=timezone.now() - timedelta(hours=26))

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "Earliest safe cutover" not in html
    (row,) = texts(html, "#ready-ttl")
    assert "Nobody has looked at northwind.test lately" in row


def test_a_domain_without_an_answer_keeps_the_others_from_being_called_safe(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=9))
    new = Domain.objects.create(tenant=tenant, name="new.test", role="secondary")
    CutoverDomain.objects.create(cutover=cutover, domain=new, direction="inbound")

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "Earliest safe cutover" not in html
    assert "new.test: it cannot be told yet" in texts(html, "#ready-ttl")[0]


def test_the_board_counts_servers_and_minutes_to_the_last_old_cache(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    tuesday = MONDAY + timedelta(days=1, hours=10)
    seen(tenant, CheckKind.MX, tuesday, 300, OLD)
    seen(tenant, CheckKind.MX, tuesday + timedelta(minutes=2), 300, *NEW)
    cutover = plan_inbound(tenant, tuesday)

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "4 of 4 name servers publish the new answer" in html
    assert "by Tue 1 Dec, 10:07 UTC" in " ".join(texts(html, ".card-foot"))


def test_a_leftover_beside_the_new_hosts_is_named(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    seen(tenant, CheckKind.MX, MONDAY, 300, *NEW, OLD)
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "0 of 4 name servers publish the new answer" in html
    assert f"Senders can still bypass Mimecast through {OLD}." in " ".join(
        texts(html, ".card-foot")
    )


def _confirm(client: Client, cutover: Cutover, words: str = "", **more: str) -> None:
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": str(cutover.round),
        "length_minutes": "90",
        "outbound_days": "2",
        "accepted_risk": words,
    }
    answer = client.post(address(cutover, "cutover-window"), form | more)
    assert answer.status_code == 302
    cutover.refresh_from_db()


@pytest.mark.parametrize(
    ("minutes", "words", "confirmed", "kept"),
    [
        (4, "", False, ""),
        (4, "The client insists.", True, "The client insists."),
        (5, "", True, ""),
        (5, "Said without need.", True, ""),
    ],
)
def test_a_window_before_the_earliest_safe_moment_takes_words(
    tenant: Tenant,
    consultant: User,
    signed_in: SignIn,
    minutes: int,
    words: str,
    confirmed: bool,
    kept: str,
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=1, hours=9, minutes=minutes))

    _confirm(signed_in(consultant), cutover, words)

    assert (cutover.confirmed_at is not None, cutover.accepted_risk) == (confirmed, kept)
    assert (cutover.confirmed_by == consultant) == confirmed
    lines = ActivityLine.objects.filter(tenant=tenant, action="window-confirmed")
    assert [line.params["reason"] for line in lines] == ([kept] if confirmed else [])


def test_a_window_whose_clock_cannot_be_told_takes_words(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    seen(tenant, CheckKind.MX_TTL, MONDAY + timedelta(hours=10), None)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=30))

    _confirm(signed_in(consultant), cutover)

    assert cutover.confirmed_at is None


def test_a_window_that_was_moved_meanwhile_is_not_confirmed(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=30))
    shown = (MONDAY + timedelta(days=29)).isoformat()

    _confirm(signed_in(consultant), cutover, planned_at=shown)

    assert cutover.confirmed_at is None


def test_moving_a_window_takes_its_confirmation_back(tenant: Tenant, consultant: User) -> None:
    cutover = plan_inbound(tenant, MONDAY)
    Cutover.objects.update(confirmed_at=MONDAY, confirmed_by=consultant, accepted_risk="Known.")

    domains = list(cutover.domains.all())
    change_cutover(cutover, MONDAY + timedelta(days=1), domains, expected_round=1, by=consultant)

    cutover.refresh_from_db()
    assert (cutover.confirmed_at, cutover.confirmed_by, cutover.accepted_risk) == (None, None, "")


def test_another_tenants_room_is_not_there(
    make_tenant: MakeTenant, tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    foreign = plan_inbound(make_tenant("Other", domains=(("other.test", "primary"),)), MONDAY)

    mixed = reverse("onboarding:cutover-room", args=[tenant.public_id, foreign.public_id])

    assert signed_in(consultant).get(mixed).status_code == 404


def test_a_big_room_leaves_out_what_a_shared_screen_does_not_need(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(consultant).get(f"{address(cutover)}?fullscreen=1").content.decode()

    assert [t for t in texts(html, "h2") if t in ("Readiness", "Run sheet", "Window")] == [
        "Run sheet",
        "Readiness",
    ]


def test_the_fragment_is_the_room_alone(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover), headers={"HX-Request": "true"}).content.decode()

    assert html.strip().startswith("<div")
    assert 'id="room"' in html


@pytest.mark.parametrize(("ended", "said"), [(1, True), (-1, False)])
def test_a_window_that_passed_unconfirmed_is_said(
    tenant: Tenant, owner: User, signed_in: SignIn, ended: int, said: bool
) -> None:
    planned = plan_inbound(tenant, timezone.now() - timedelta(hours=4 + ended))
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, planned.public_id])

    page = signed_in(owner).get(address).content.decode()

    assert ("The window is over, and nobody confirmed it." in page) == said
