"""The cutover room: its page and the window confirmation."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.cutovers.planning import change_cutover
from onboarding.cutovers.room import CutoverRoom
from onboarding.models import Cutover, CutoverDomain
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn
from tests.markup import texts

pytestmark = pytest.mark.usefixtures("fixed_monday")

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
OLD = "10 mail.northwind.test"
NEW = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")


def observe(
    tenant: Tenant, kind: CheckKind, at: datetime, ttl: int | None, *values: str, servers: int = 4
) -> None:
    """Record the same answer of all servers at this time, or none (no TTL)."""
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
    # A later run got the same answer.
    checked_at = max(at, timezone.now())
    Check.objects.filter(pk=check.pk).update(latest=latest, checked_at=checked_at)


def plan_inbound(tenant: Tenant, at: datetime) -> Cutover:
    return cutover_of(tenant, "inbound", at)


def address(cutover: Cutover, name: str = "cutover-room") -> str:
    return reverse(f"onboarding:{name}", args=[cutover.plan.tenant.public_id, cutover.public_id])


def _lowered(tenant: Tenant) -> None:
    """The worked example: a TTL of one day until Monday 09:00, and 300 s everywhere at 09:05."""
    observe(tenant, CheckKind.MX_TTL, MONDAY.replace(hour=9), 86_400, OLD)
    observe(tenant, CheckKind.MX_TTL, MONDAY.replace(hour=9, minute=5), 300, OLD)


def test_room_shows_earliest_safe_time(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=1, hours=9, minutes=4))

    html = signed_in(owner).get(address(cutover)).content.decode()

    (row,) = [text for text in texts(html, "li") if "old TTL run out" in text]
    assert "Earliest safe cutover: Tue 1 Dec 09:05 UTC, because ns1.test (192.0.2.1)" in row
    assert "published 86400 s for northwind.test until Mon 30 Nov 09:05 UTC." in row


def test_stale_ttl_has_no_safe_time(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=9))
    Check.objects.update(checked_at=timezone.now() - timedelta(hours=26))

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "Earliest safe cutover" not in html
    (row,) = texts(html, "#ready-ttl")
    assert "The last check of northwind.test is too old to count." in row


def test_unanswered_domain_blocks_safe_time(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=9))
    new = Domain.objects.create(tenant=tenant, name="new.test", role="secondary")
    CutoverDomain.objects.create(cutover=cutover, domain=new, direction="inbound")

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "Earliest safe cutover" not in html
    assert "new.test: no safe time is known yet." in texts(html, "#ready-ttl")[0]


def test_board_shows_servers_and_cache_expiry(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    tuesday = MONDAY + timedelta(days=1, hours=10)
    observe(tenant, CheckKind.MX, tuesday, 300, OLD)
    observe(tenant, CheckKind.MX, tuesday + timedelta(minutes=2), 300, *NEW)
    cutover = plan_inbound(tenant, tuesday)

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "New answer published at 4 of 4 name servers" in html
    assert "by Tue 1 Dec, 10:07 UTC" in " ".join(texts(html, ".card-foot"))


def test_leftover_host_is_named(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    observe(tenant, CheckKind.MX, MONDAY, 300, *NEW, OLD)
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert "Old MX still published at 4 of 4 name servers" in html
    assert f"Senders can still bypass Mimecast through {OLD}." in " ".join(
        texts(html, ".card-foot")
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (-1, "Publish the new records of northwind.test."),
        (0, "The window ended before every domain switched. Reschedule it."),
        (600, "The window ended before every domain switched. Reschedule it."),
    ],
)
def test_head_after_the_window(
    tenant: Tenant, owner: User, signed_in: SignIn, minutes: int, words: str
) -> None:
    now = timezone.now()
    observe(tenant, CheckKind.MX, now - timedelta(hours=1), 300, OLD)
    length = timedelta(minutes=Cutover._meta.get_field("length_minutes").default)
    cutover = plan_inbound(tenant, now - length - timedelta(minutes=minutes))

    html = signed_in(owner).get(address(cutover)).content.decode()

    assert words in " ".join(html.split())


def _confirm(
    client: Client, cutover: Cutover, risk: str = "", *, status: int = 302, **more: str
) -> None:
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": str(cutover.round),
        "length_minutes": "90",
        "outbound_days": "2",
        "accepted_risk": risk,
    }
    answer = client.post(address(cutover, "cutover-window"), form | more)
    assert answer.status_code == status
    cutover.refresh_from_db()


@pytest.mark.parametrize(
    ("minutes", "risk", "confirmed", "stored"),
    [
        (4, "", False, ""),
        (4, "The client insists.", True, "The client insists."),
        (5, "", True, ""),
        (5, "Unnecessary.", True, ""),
    ],
)
def test_early_window_needs_accepted_risk(
    tenant: Tenant,
    consultant: User,
    signed_in: SignIn,
    minutes: int,
    risk: str,
    confirmed: bool,
    stored: str,
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=1, hours=9, minutes=minutes))

    _confirm(signed_in(consultant), cutover, risk, status=302 if confirmed else 422)

    assert (cutover.confirmed_at is not None, cutover.accepted_risk) == (confirmed, stored)
    assert (cutover.confirmed_by == consultant) == confirmed
    lines = ActivityLine.objects.filter(tenant=tenant, action="window-confirmed")
    assert [line.params["reason"] for line in lines] == ([stored] if confirmed else [])


def test_unknown_safe_time_needs_accepted_risk(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    observe(tenant, CheckKind.MX_TTL, MONDAY + timedelta(hours=10), None)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=30))

    _confirm(signed_in(consultant), cutover, status=422)

    assert cutover.confirmed_at is None


def test_rescheduled_window_is_not_confirmed(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    _lowered(tenant)
    cutover = plan_inbound(tenant, MONDAY + timedelta(days=30))
    shown = (MONDAY + timedelta(days=29)).isoformat()

    _confirm(signed_in(consultant), cutover, status=422, planned_at=shown)

    assert cutover.confirmed_at is None


def test_rescheduling_resets_confirmation(tenant: Tenant, consultant: User) -> None:
    cutover = plan_inbound(tenant, MONDAY)
    Cutover.objects.update(confirmed_at=MONDAY, confirmed_by=consultant, accepted_risk="Known.")

    domains = list(cutover.domains.all())
    later = MONDAY + timedelta(days=1)
    change_cutover(cutover, later, domains, expected_round=1, by=consultant, reason="Agreed.")

    cutover.refresh_from_db()
    assert (cutover.confirmed_at, cutover.confirmed_by, cutover.accepted_risk) == (None, None, "")


def test_foreign_room_is_not_found(
    make_tenant: MakeTenant, tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    foreign = plan_inbound(make_tenant("Other", domains=(("other.test", "primary"),)), MONDAY)

    mixed = reverse("onboarding:cutover-room", args=[tenant.public_id, foreign.public_id])

    assert signed_in(consultant).get(mixed).status_code == 404


def test_full_screen_room_has_no_window_form(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(consultant).get(f"{address(cutover)}?fullscreen=1").content.decode()

    others = texts(html, "h2")
    assert texts(html, "h1") == ["No reliable answer about northwind.test."]
    assert others[:2] == ["Next action", "On call"]
    assert "Window" not in others
    room = html.partition('id="room"')[2].partition("</main>")[0]
    assert ("<form" in room, "<button" in room) == (False, False)


@pytest.mark.parametrize(
    ("hours", "headline"),
    [(2, "Ready. The window starts at 10:00 UTC."), (-1, "SPF is published. Next: ")],
)
def test_early_spf_is_no_completed_cutover(
    tenant: Tenant, owner: User, signed_in: SignIn, hours: int, headline: str
) -> None:
    """SPF is published days before the outbound connectors change."""
    cutover = cutover_of(tenant, "outbound", timezone.now() + timedelta(hours=hours))
    record = "v=spf1 include:us._netblocks.mimecast.com -all"
    observe(tenant, CheckKind.SPF, timezone.now(), 300, record)
    with mock.patch.object(CutoverRoom, "blocking_count", 0):
        html = signed_in(owner).get(f"{address(cutover)}?fullscreen=1").content.decode()

    assert texts(html, "h1")[0].startswith(headline)
    (row,) = [text for text in texts(html, "li") if "1 of 1" in text or "4 of 4" in text]
    assert "SPF published" in row
    assert "Complete" not in row


def test_fragment_has_room_only(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover), headers={"HX-Request": "true"}).content.decode()

    assert html.strip().startswith("<div")
    assert 'id="room"' in html


@pytest.mark.parametrize(
    ("published", "words"),
    [
        ([*NEW, OLD], "Old MX still published at 4 of 4 name servers"),
        ([OLD], "Not published at any name server 0 of 4"),
    ],
)
def test_full_screen_names_the_old_records(
    tenant: Tenant, owner: User, signed_in: SignIn, published: list[str], words: str
) -> None:
    observe(tenant, CheckKind.MX, MONDAY, 300, *published)
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(f"{address(cutover)}?fullscreen=1").content.decode()

    assert any(row.endswith(words) for row in texts(html, "li"))


@pytest.mark.parametrize(("ended", "is_shown"), [(1, True), (-1, False)])
def test_missed_window_is_shown(
    tenant: Tenant, owner: User, signed_in: SignIn, ended: int, is_shown: bool
) -> None:
    planned = plan_inbound(tenant, timezone.now() - timedelta(hours=4 + ended))
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, planned.public_id])

    page = signed_in(owner).get(address).content.decode()

    assert ("The window is over and was never confirmed." in page) == is_shown


@pytest.mark.parametrize("query", ["", "?fullscreen=1"])
def test_room_without_answers_counts_no_servers(
    tenant: Tenant, owner: User, signed_in: SignIn, query: str
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover) + query).content.decode()

    assert "of 0" not in " ".join(texts(html, "#room"))
    assert "o answer" in " ".join(texts(html, "#room"))


def test_room_shows_change_rollback_and_timeline(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover)).content.decode()

    headings = texts(html, "h2")
    assert headings.index("Go / no-go") < headings.index("Readiness")
    assert "Timeline" in headings
    assert [each.partition(" · ")[0] for each in headings if " · " in each] == [
        "Change",
        "Rollback",
    ] * (len(texts(html, ".room-changes")))
    assert len(texts(html, ".room-changes")) > 0


@pytest.mark.parametrize("query", ["", "?fullscreen=1"])
def test_no_attribute_counts_zero_servers(
    tenant: Tenant, owner: User, signed_in: SignIn, query: str
) -> None:
    """Screen readers announce `data-label`."""
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(owner).get(address(cutover) + query).content.decode()

    assert re.findall(r"\d+ of 0\b", html) == []
    assert 'data-label="northwind.test: No answer from the name servers yet"' in html


def test_open_decision_comes_first(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(consultant).get(address(cutover)).content.decode()

    headings = [each for each in texts(html, "h2") if each in ORDER]
    assert headings == ORDER
    (settings,) = re.findall(r'<details[^>]*id="room-settings"[^>]*>', html)
    assert " open" not in settings


ORDER = ["Go / no-go", "Readiness", "On call", "Timeline", "Window", "Settings"]


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_settings_need_the_permission(
    request: pytest.FixtureRequest, tenant: Tenant, signed_in: SignIn, role: str
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    html = signed_in(request.getfixturevalue(role)).get(address(cutover)).content.decode()

    assert "-settings" not in html


def test_refused_confirmation_opens_the_settings(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = plan_inbound(tenant, MONDAY)

    form = {"planned_at": cutover.planned_at.isoformat(), "round": "1", "outbound_days": "2"}

    answer = signed_in(consultant).post(
        address(cutover, "cutover-window"), form | {"length_minutes": "9"}
    )

    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(r'<details[^>]*id="room-settings"[^>]*\bopen\b', html)
    assert 'value="9"' in html
    assert texts(html, "#window_length_minutes_error") == [
        "Ensure this value is greater than or equal to 15."
    ]


def test_both_modes_show_headline_and_times(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover = plan_inbound(tenant, MONDAY)
    client = signed_in(owner)

    room, screen = (
        client.get(address(cutover) + query).content.decode() for query in ("", "?fullscreen=1")
    )

    assert texts(room, "#room-headline") == texts(screen, "h1")
    assert texts(room, "#time-bar") == texts(screen, "#time-bar")
    (times,) = texts(room, "#time-bar")
    assert re.sub(r"\d\d:\d\d", "", times) == " UTC Window started  UTC Window ended"
