"""Snapshots of the old records, and the rollback plan that restores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.cutovers.planning import cancel_cutover
from onboarding.cutovers.rollback import build_rollback_sheet
from onboarding.cutovers.snapshots import digest_of, save_at_opening, save_now
from onboarding.cutovers.tasks import open_cutover_windows
from onboarding.errors import OnboardingError
from onboarding.models import CutoverSnapshot
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import NEW, OLD, observe, plan_inbound

START = datetime(2026, 12, 1, 19, 0, tzinfo=UTC)
OPENED = START - timedelta(minutes=30)


def _values(snapshot: CutoverSnapshot) -> list[list[str]]:
    return [row["values"] for entry in snapshot.content for row in entry["servers"]]


def test_late_snapshot_has_opening_records(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    observe(tenant, CheckKind.MX, OPENED + timedelta(minutes=40), 300, *NEW, servers=2)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]
    assert made.content[0]["observation"] == Observation.objects.earliest("first_seen_at").public_id
    assert made.digest == digest_of(made.content)


def test_snapshot_skips_incomplete_run(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    observe(tenant, CheckKind.MX, OPENED - timedelta(minutes=1), None, servers=2)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]


def test_unobserved_domain_has_no_servers(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX, OPENED + timedelta(minutes=40), 300, *NEW)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert made.content == [{"domain": "northwind.test", "kind": "mx", "servers": []}]


def test_first_run_counts_for_late_planning(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX, OPENED + timedelta(minutes=20), 300, OLD, servers=2)
    observe(tenant, CheckKind.MX, OPENED + timedelta(minutes=22), 300, "10 other.test", servers=2)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]


def test_one_snapshot_per_window(tenant: Tenant) -> None:
    cutover = plan_inbound(tenant, START)

    first, second = save_at_opening(cutover), save_at_opening(cutover)
    cutover.planned_at = START + timedelta(days=1)
    third = save_at_opening(cutover)

    assert (first is None, second is None, third is None) == (False, True, False)
    assert ActivityLine.objects.filter(action="snapshot-saved").count() == 2


@pytest.mark.parametrize(
    ("moved_by", "restored"),
    [
        (timedelta(hours=1), [[OLD], [OLD]]),
        (timedelta(days=6), [[OLD], [OLD]]),
        (timedelta(days=8), [[*NEW], [*NEW]]),
    ],
)
def test_rescheduled_window_keeps_old_records(
    tenant: Tenant, moved_by: timedelta, restored: list[list[str]]
) -> None:
    cutover = plan_inbound(tenant, START)
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    save_at_opening(cutover)
    observe(tenant, CheckKind.MX, START + timedelta(minutes=5), 300, *NEW, servers=2)
    cutover.planned_at = START + moved_by

    made = save_at_opening(cutover)

    assert made is not None
    assert _values(made) == restored


@pytest.mark.parametrize(
    ("published_at", "restored"),
    [
        (OPENED - timedelta(hours=2), [[OLD], [OLD]]),
        (OPENED - timedelta(days=6), [[OLD], [OLD]]),
        (OPENED - timedelta(days=8), [[*NEW], [*NEW]]),
    ],
)
def test_early_publication_keeps_old_records(
    tenant: Tenant, published_at: datetime, restored: list[list[str]]
) -> None:
    observe(tenant, CheckKind.MX, published_at - timedelta(minutes=1), 300, OLD, servers=2)
    observe(tenant, CheckKind.MX, published_at - timedelta(seconds=30), 300, servers=2)
    observe(tenant, CheckKind.MX, published_at, 300, *NEW, servers=2)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == restored


def test_rolled_back_records_in_next_snapshot(tenant: Tenant) -> None:
    cutover = plan_inbound(tenant, START)
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    save_at_opening(cutover)
    observe(
        tenant, CheckKind.MX, START + timedelta(hours=2), 300, "10 other.northwind.test", servers=2
    )
    cutover.planned_at = START + timedelta(days=1)

    made = save_at_opening(cutover)

    assert made is not None
    assert _values(made) == [["10 other.northwind.test"], ["10 other.northwind.test"]]


def test_beat_takes_snapshot_once(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX, timezone.now() - timedelta(hours=1), 300, OLD)
    plan_inbound(tenant, timezone.now() + timedelta(minutes=29))

    open_cutover_windows()
    open_cutover_windows()

    (snapshot,) = CutoverSnapshot.objects.all()
    assert (snapshot.reason, _values(snapshot)) == ("opened", [[OLD]] * 4)


def test_manual_snapshot_only_before_opening(tenant: Tenant, consultant: User) -> None:
    cutover = plan_inbound(tenant, START)

    save_now(cutover, now=OPENED - timedelta(seconds=1), by=consultant)
    with pytest.raises(OnboardingError):
        save_now(cutover, now=OPENED, by=consultant)

    assert CutoverSnapshot.objects.get().saved_by == consultant


def test_snapshot_is_immutable(tenant: Tenant) -> None:
    made = save_at_opening(plan_inbound(tenant, START))
    assert made is not None

    with pytest.raises(AssertionError):
        made.save(update_fields=["content"])


def test_cutover_with_snapshot_is_not_cancelled(tenant: Tenant, consultant: User) -> None:
    cutover = plan_inbound(tenant, START)
    save_at_opening(cutover)

    with pytest.raises(OnboardingError):
        cancel_cutover(cutover, by=consultant)

    assert CutoverSnapshot.objects.count() == 1


def _entry(*sets: list[str]) -> dict[str, Any]:
    servers = [
        {"name": f"ns{n}.test", "address": "192.0.2.1", "values": values, "ttl": 300 * (n + 1)}
        for n, values in enumerate(sets)
    ]
    time = {"last_seen_at": START.isoformat()} if sets else {}
    return {"domain": "one.test", "kind": "mx", "servers": servers} | time


def _now(*sets: list[str] | None) -> Check:
    rows = [
        {"name": f"ns{n}.test", "address": "192.0.2.1", "ttl": 60}
        | ({"status": "timeout", "ttl": None} if v is None else {"status": "records", "values": v})
        for n, v in enumerate(sets)
    ]
    return Check(latest=Observation(evidence={"servers": rows}))


@pytest.mark.parametrize(
    ("before", "now", "verdict", "lagging"),
    [
        ([[OLD], [OLD]], [[OLD], [OLD]], Verdict.PASS, ()),
        ([[OLD], [OLD]], [[OLD], [*NEW]], Verdict.FAIL, ("ns1.test (192.0.2.1)",)),
        ([[OLD], [OLD]], [[OLD], [OLD, NEW[0]]], Verdict.FAIL, ("ns1.test (192.0.2.1)",)),
        ([[OLD], [OLD]], [[OLD], None], Verdict.UNKNOWN, ()),
        ([[OLD], [OLD]], [], Verdict.UNKNOWN, ()),
        ([[OLD], [*NEW]], [[OLD], [*NEW]], Verdict.UNKNOWN, ()),
        ([], [[OLD]], Verdict.UNKNOWN, ()),
    ],
)
def test_rollback_needs_every_server(
    before: list[list[str]],
    now: list[list[str] | None],
    verdict: Verdict,
    lagging: tuple[str, ...],
) -> None:
    sheet = build_rollback_sheet(_entry(*before), _now(*now))

    assert (sheet.verdict, sheet.lagging) == (verdict, lagging)


def test_stale_rollback_is_unknown() -> None:
    entry, check = _entry([OLD], [OLD]), _now([OLD], [OLD])

    assert build_rollback_sheet(entry, check, is_stale=True).verdict is Verdict.UNKNOWN
    assert build_rollback_sheet(entry, check).verdict is Verdict.PASS


@pytest.mark.parametrize(("minutes", "badge"), [(9, "Restored"), (11, "No reliable answer")])
def test_rollback_in_window_needs_recent_run(
    tenant: Tenant, owner: User, signed_in: SignIn, minutes: int, badge: str
) -> None:
    now = timezone.now()
    cutover = plan_inbound(tenant, now - timedelta(hours=1))
    observe(tenant, CheckKind.MX, now - timedelta(hours=2), 300, OLD)
    save_at_opening(cutover)
    Check.objects.filter(kind=CheckKind.MX).update(checked_at=now - timedelta(minutes=minutes))

    address = reverse("onboarding:rollback", args=[tenant.public_id, cutover.public_id])
    html = signed_in(owner).get(address).content.decode()

    assert texts(html, ".badge")[-1] == badge


@pytest.mark.parametrize(
    ("minutes", "sentence"),
    [
        (31, "half an hour before the window starts."),
        (29, "No records were saved when the window opened."),
    ],
)
def test_missing_snapshot_is_stated_after_the_opening(
    tenant: Tenant, owner: User, signed_in: SignIn, minutes: int, sentence: str
) -> None:
    cutover = plan_inbound(tenant, timezone.now() + timedelta(minutes=minutes))
    client, ids = signed_in(owner), [tenant.public_id, cutover.public_id]
    observe(tenant, CheckKind.MX, timezone.now(), 300, OLD)

    for page in ("rollback", "cutover-room"):
        html = client.get(reverse(f"onboarding:{page}", args=ids)).content.decode()
        shown = " ".join(html.split())
        assert sentence in shown, page
        assert ("half an hour before" in shown) == (minutes > 30), page


def test_unresolved_server_makes_rollback_unknown() -> None:
    check = _now([OLD])
    assert check.latest is not None
    check.latest.findings = [{"code": "dns.server-unresolved", "params": {"servers": ["ns9.test"]}}]

    assert build_rollback_sheet(_entry([OLD]), check).verdict is Verdict.UNKNOWN


def test_rollback_duration_is_highest_ttl() -> None:
    sheet = build_rollback_sheet(_entry([OLD], [OLD]), _now([*NEW], [*NEW]))

    assert sheet.duration_seconds == 60
    assert sheet.zone_text == f"one.test. 600 IN MX {OLD}."


def test_rollback_page_shows_restoration(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover = plan_inbound(tenant, START)
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD)
    save_at_opening(cutover)
    address = reverse("onboarding:rollback", args=[tenant.public_id, cutover.public_id])
    client = signed_in(owner)

    observe(tenant, CheckKind.MX, START + timedelta(minutes=5), 300, *NEW)
    switched = client.get(address).content.decode()
    observe(tenant, CheckKind.MX, START + timedelta(minutes=50), 300, OLD)
    rolled_back = client.get(address).content.decode()

    assert [texts(html, ".badge")[-1] for html in (switched, rolled_back)] == [
        "Not restored",
        "Restored",
    ]
    assert texts(rolled_back, "strong")[-1] == "All saved records are published."
    assert texts(rolled_back, "pre") == [f"northwind.test. 300 IN MX {OLD}."]


@pytest.mark.parametrize(("hours", "restored"), [(23, [[OLD]] * 2), (25, [[]] * 2)])
def test_recently_lost_zone_is_ignored(
    tenant: Tenant, hours: int, restored: list[list[str]]
) -> None:
    observe(tenant, CheckKind.MX, OPENED - timedelta(hours=hours), 300, OLD, servers=2)
    observe(tenant, CheckKind.MX, OPENED - timedelta(minutes=1), 300, servers=2)

    made = save_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == restored
