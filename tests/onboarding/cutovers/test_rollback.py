"""What was published before a switch is kept once, and the way back is held against it."""

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
from onboarding.cutovers.snapshots import digest_of, take_at_opening, take_now
from onboarding.cutovers.tasks import monitor_open_windows
from onboarding.errors import OnboardingError
from onboarding.models import CutoverSnapshot
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import NEW, OLD, plan_inbound, seen

START = datetime(2026, 12, 1, 19, 0, tzinfo=UTC)
OPENED = START - timedelta(minutes=30)


def _values(snapshot: CutoverSnapshot) -> list[list[str]]:
    return [row["values"] for entry in snapshot.content for row in entry["servers"]]


def test_a_late_worker_keeps_what_stood_there_when_the_window_opened(tenant: Tenant) -> None:
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    seen(tenant, CheckKind.MX, OPENED + timedelta(minutes=40), 300, *NEW, servers=2)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]
    assert made.content[0]["observation"] == Observation.objects.earliest("first_seen_at").public_id
    assert made.digest == digest_of(made.content)


def test_a_look_in_which_a_server_was_silent_is_not_kept(tenant: Tenant) -> None:
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    seen(tenant, CheckKind.MX, OPENED - timedelta(minutes=1), None, servers=2)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]


def test_a_domain_nobody_saw_before_is_named_with_nothing(tenant: Tenant) -> None:
    seen(tenant, CheckKind.MX, OPENED + timedelta(minutes=40), 300, *NEW)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert made.content == [{"domain": "northwind.test", "kind": "mx", "servers": []}]


def test_of_a_window_planned_within_the_half_hour_the_first_look_counts(tenant: Tenant) -> None:
    seen(tenant, CheckKind.MX, OPENED + timedelta(minutes=20), 300, OLD, servers=2)
    seen(tenant, CheckKind.MX, OPENED + timedelta(minutes=22), 300, "10 other.test", servers=2)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == [[OLD], [OLD]]


def test_an_opened_window_is_kept_once_and_a_moved_one_again(tenant: Tenant) -> None:
    cutover = plan_inbound(tenant, START)

    first, second = take_at_opening(cutover), take_at_opening(cutover)
    cutover.planned_at = START + timedelta(days=1)
    third = take_at_opening(cutover)

    assert (first is None, second is None, third is None) == (False, True, False)
    assert ActivityLine.objects.filter(action="snapshot-taken").count() == 2


@pytest.mark.parametrize(
    ("moved_by", "kept"),
    [
        (timedelta(hours=1), [[OLD], [OLD]]),
        (timedelta(days=6), [[OLD], [OLD]]),
        (timedelta(days=8), [[*NEW], [*NEW]]),
    ],
)
def test_a_window_moved_after_the_switch_keeps_the_way_back(
    tenant: Tenant, moved_by: timedelta, kept: list[list[str]]
) -> None:
    cutover = plan_inbound(tenant, START)
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    take_at_opening(cutover)
    seen(tenant, CheckKind.MX, START + timedelta(minutes=5), 300, *NEW, servers=2)
    cutover.planned_at = START + moved_by

    made = take_at_opening(cutover)

    assert made is not None
    assert _values(made) == kept


@pytest.mark.parametrize(
    ("published_at", "kept"),
    [
        (OPENED - timedelta(hours=2), [[OLD], [OLD]]),
        (OPENED - timedelta(days=6), [[OLD], [OLD]]),
        (OPENED - timedelta(days=8), [[*NEW], [*NEW]]),
    ],
)
def test_the_way_back_from_records_that_were_published_early_is_what_stood_before(
    tenant: Tenant, published_at: datetime, kept: list[list[str]]
) -> None:
    seen(tenant, CheckKind.MX, published_at - timedelta(minutes=1), 300, OLD, servers=2)
    seen(tenant, CheckKind.MX, published_at - timedelta(seconds=30), 300, servers=2)
    seen(tenant, CheckKind.MX, published_at, 300, *NEW, servers=2)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == kept


def test_a_domain_that_was_put_back_is_kept_as_it_is_at_the_next_opening(tenant: Tenant) -> None:
    cutover = plan_inbound(tenant, START)
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD, servers=2)
    take_at_opening(cutover)
    seen(
        tenant, CheckKind.MX, START + timedelta(hours=2), 300, "10 other.northwind.test", servers=2
    )
    cutover.planned_at = START + timedelta(days=1)

    made = take_at_opening(cutover)

    assert made is not None
    assert _values(made) == [["10 other.northwind.test"], ["10 other.northwind.test"]]


def test_the_beat_keeps_it_when_the_window_opens(tenant: Tenant) -> None:
    seen(tenant, CheckKind.MX, timezone.now() - timedelta(hours=1), 300, OLD)
    plan_inbound(tenant, timezone.now() + timedelta(minutes=29))

    monitor_open_windows()
    monitor_open_windows()

    (kept,) = CutoverSnapshot.objects.all()
    assert (kept.reason, _values(kept)) == ("opened", [[OLD]] * 4)


def test_nobody_asks_for_one_once_the_window_is_open(tenant: Tenant, consultant: User) -> None:
    cutover = plan_inbound(tenant, START)

    take_now(cutover, now=OPENED - timedelta(seconds=1), by=consultant)
    with pytest.raises(OnboardingError):
        take_now(cutover, now=OPENED, by=consultant)

    assert CutoverSnapshot.objects.get().taken_by == consultant


def test_a_snapshot_is_never_edited(tenant: Tenant) -> None:
    made = take_at_opening(plan_inbound(tenant, START))
    assert made is not None

    with pytest.raises(AssertionError):
        made.save(update_fields=["content"])


def test_a_cutover_with_a_snapshot_is_moved_and_not_dropped(
    tenant: Tenant, consultant: User
) -> None:
    cutover = plan_inbound(tenant, START)
    take_at_opening(cutover)

    with pytest.raises(OnboardingError):
        cancel_cutover(cutover, by=consultant)

    assert CutoverSnapshot.objects.count() == 1


def _entry(*sets: list[str]) -> dict[str, Any]:
    servers = [
        {"name": f"ns{n}.test", "address": "192.0.2.1", "values": values, "ttl": 300 * (n + 1)}
        for n, values in enumerate(sets)
    ]
    moment = {"last_seen_at": START.isoformat()} if sets else {}
    return {"domain": "one.test", "kind": "mx", "servers": servers} | moment


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
def test_everything_is_as_it_was_only_where_every_server_says_so(
    before: list[list[str]],
    now: list[list[str] | None],
    verdict: Verdict,
    lagging: tuple[str, ...],
) -> None:
    sheet = build_rollback_sheet(_entry(*before), _now(*now))

    assert (sheet.verdict, sheet.lagging) == (verdict, lagging)


def test_an_answer_of_long_ago_does_not_tell_that_everything_is_as_it_was() -> None:
    entry, seen = _entry([OLD], [OLD]), _now([OLD], [OLD])

    assert build_rollback_sheet(entry, seen, is_stale=True).verdict is Verdict.UNKNOWN
    assert build_rollback_sheet(entry, seen).verdict is Verdict.PASS


@pytest.mark.parametrize(("minutes", "said"), [(9, "Restored"), (11, "No reliable answer")])
def test_in_a_window_only_a_look_of_now_proves_the_way_back(
    tenant: Tenant, owner: User, signed_in: SignIn, minutes: int, said: str
) -> None:
    now = timezone.now()
    cutover = plan_inbound(tenant, now - timedelta(hours=1))
    seen(tenant, CheckKind.MX, now - timedelta(hours=2), 300, OLD)
    take_at_opening(cutover)
    Check.objects.filter(kind=CheckKind.MX).update(checked_at=now - timedelta(minutes=minutes))

    address = reverse("onboarding:rollback", args=[tenant.public_id, cutover.public_id])
    html = signed_in(owner).get(address).content.decode()

    assert texts(html, ".badge")[-1] == said


def test_a_server_without_an_address_leaves_it_untold() -> None:
    check = _now([OLD])
    assert check.latest is not None
    check.latest.findings = [{"code": "dns.server-unresolved", "params": {"servers": ["ns9.test"]}}]

    assert build_rollback_sheet(_entry([OLD]), check).verdict is Verdict.UNKNOWN


def test_a_rollback_takes_the_highest_ttl_now_published() -> None:
    sheet = build_rollback_sheet(_entry([OLD], [OLD]), _now([*NEW], [*NEW]))

    assert sheet.duration_seconds == 60
    assert sheet.zone_text == f"one.test. 600 IN MX {OLD}."


def test_the_room_says_when_everything_is_as_it_was(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    cutover = plan_inbound(tenant, START)
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=1), 300, OLD)
    take_at_opening(cutover)
    address = reverse("onboarding:rollback", args=[tenant.public_id, cutover.public_id])
    client = signed_in(owner)

    seen(tenant, CheckKind.MX, START + timedelta(minutes=5), 300, *NEW)
    switched = client.get(address).content.decode()
    seen(tenant, CheckKind.MX, START + timedelta(minutes=50), 300, OLD)
    rolled_back = client.get(address).content.decode()

    assert [texts(html, ".badge")[-1] for html in (switched, rolled_back)] == [
        "Not restored",
        "Restored",
    ]
    assert texts(rolled_back, "strong")[-1] == "All saved records are published."
    assert texts(rolled_back, "pre") == [f"northwind.test. 300 IN MX {OLD}."]


@pytest.mark.parametrize(("hours", "kept"), [(23, [[OLD]] * 2), (25, [[]] * 2)])
def test_a_zone_lost_within_the_day_before_is_not_what_stood_there(
    tenant: Tenant, hours: int, kept: list[list[str]]
) -> None:
    seen(tenant, CheckKind.MX, OPENED - timedelta(hours=hours), 300, OLD, servers=2)
    seen(tenant, CheckKind.MX, OPENED - timedelta(minutes=1), 300, servers=2)

    made = take_at_opening(plan_inbound(tenant, START))

    assert made is not None
    assert _values(made) == kept
