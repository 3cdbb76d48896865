"""The planning form: its facts, its refusals, its reason and its preview."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.engine.outcomes import CheckKind, Verdict
from checks.safe_times import SafeTime
from onboarding.cutovers.conflicts import ConflictContext
from onboarding.cutovers.planning import (
    PastWindow,
    ReasonMissing,
    cancel_cutover,
    change_cutover,
    plan_cutover,
)
from onboarding.cutovers.planning_facts import after_freezes, window_facts
from onboarding.cutovers.readiness.task_rows import outbound_first_row
from onboarding.models import Cutover, Freeze, Holiday, Task
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import due_date_shifts
from tenants.models import ActivityLine, Tenant, User
from tests.clock import Clock, at
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts
from tests.onboarding.cutovers.readiness_facts import NEW_YORK, NOW, facts_for, subject_of, task_at
from tests.onboarding.cutovers.test_cutover_room import NEW, OLD, observe

pytestmark = pytest.mark.usefixtures("fixed_monday")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NO_CALENDAR = ConflictContext([], [], Calendar(NEW_YORK))


def _page(tenant: Tenant, cutover: Cutover | None = None) -> str:
    if cutover is None:
        return reverse("onboarding:cutovers", args=[tenant.public_id])
    return reverse("onboarding:cutover-edit", args=[tenant.public_id, cutover.public_id])


def _entry(tenant: Tenant, direction: str, starts: str, **more: str) -> dict[str, Any]:
    domains = [domain.public_id for domain in tenant.domains.all()]
    return {"direction": direction, "planned_at": starts, "domains": domains, "round": "1"} | more


# --- A window in the past


@pytest.mark.parametrize("starts", ["2026-11-30T08:00", "2026-11-29T19:00"])
def test_past_window_is_refused(
    tenant: Tenant, consultant: User, signed_in: SignIn, starts: str
) -> None:
    client = signed_in(consultant)
    title = task_of(tenant, "outbound-cutover").title
    sentence = (
        "This time is in the past. Enter a later time. To record a switch that has already"
        f" happened, confirm the task “{title}” in the plan. It needs no window."
    )
    planned = cutover_of(tenant, "inbound", timezone.now() + 20 * DAY)

    answer = client.post(_page(tenant), _entry(tenant, "outbound", starts))
    moved = client.post(_page(tenant, planned), _entry(tenant, "inbound", starts))

    html = answer.content.decode()
    assert (answer.status_code, texts(html, ".errorlist")) == (422, [sentence])
    assert f'value="{starts}"' in html
    assert moved.status_code == 422
    assert "This time is in the past." in texts(moved.content.decode(), ".errorlist")[0]
    assert list(Cutover.objects.values_list("planned_at", flat=True)) == [planned.planned_at]


def test_services_refuse_past_windows(tenant: Tenant, consultant: User) -> None:
    now, domains = timezone.now(), list(tenant.domains.all())
    planned = cutover_of(tenant, "inbound", now + 20 * DAY)

    with pytest.raises(PastWindow, match="in the past"):
        plan_cutover(tenant.plan, "outbound", now, domains, by=consultant, reason="Agreed.")
    with pytest.raises(PastWindow, match="in the past"):
        change_cutover(planned, now, domains, expected_round=1, by=consultant, reason="Agreed.")


def test_past_window_can_release_domains(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(domains=(("a.test", "primary"), ("b.test", "secondary")))
    over = cutover_of(tenant, "inbound", timezone.now() - DAY)
    entry = _entry(tenant, "inbound", "2026-11-29T08:00")
    entry["domains"] = tenant.domains.get(name="a.test").public_id

    answer = signed_in(consultant).post(_page(tenant, over), entry)

    assert answer.status_code == 302
    assert [str(domain) for domain in over.domains.all()] == ["a.test"]


# --- The reason


def test_caution_requires_reason(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    entry = _entry(tenant, "inbound", "2026-12-14T19:00")
    caution = "No outbound cutover is planned or done, so inbound mail would switch first."

    first = client.get(_page(tenant)).content.decode()
    refused = client.post(_page(tenant), entry)
    accepted = client.post(_page(tenant), entry | {"reason": "The old gateway ends today."})

    html = refused.content.decode()
    assert 'name="reason"' not in first
    assert 'name="reason"' in html
    assert refused.status_code == 422
    assert texts(html, ".errorlist") == [f"{caution} Enter the reason for this time."]
    assert accepted.status_code == 302
    made = Cutover.objects.get(plan__tenant=tenant)
    assert made.planning_reason == "The old gateway ends today."
    assert made.planning_cautions == {"order": caution}
    line = ActivityLine.objects.get(tenant=tenant, action="cutover-planned")
    assert line.params["reason"] == "The old gateway ends today."


def test_reason_is_in_room_and_timeline(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    domains = list(tenant.domains.all())
    made = plan_cutover(
        tenant.plan, "inbound", at("3 Mon 19:00"), domains, by=consultant, reason="It is urgent."
    )
    client = signed_in(consultant)
    where = [tenant.public_id, made.public_id]

    room = client.get(reverse("onboarding:cutover-room", args=where)).content.decode()
    timeline = client.get(reverse("onboarding:cutover-timeline", args=where)).content.decode()

    (reason,) = [each for each in texts(room, "p") if each.startswith("Reason for this time")]
    assert reason == (
        "Reason for this time: “It is urgent.” Cautions on Mon 30 Nov, 08:00 UTC: No outbound"
        " cutover is planned or done, so inbound mail would switch first."
    )
    assert any("“It is urgent.”" in each for each in texts(timeline, "li"))


def test_start_soon_requires_reason(tenant: Tenant, consultant: User) -> None:
    domains = list(tenant.domains.all())

    with pytest.raises(
        ReasonMissing, match=r"8 h 0 min before its start, \d+ tasks that it depends on are open"
    ):
        plan_cutover(tenant.plan, "outbound", at("Mon 16:00"), domains, by=consultant)
    made = plan_cutover(tenant.plan, "outbound", at("Mon 16:01"), domains, by=consultant)

    assert made.planning_reason == ""


@pytest.fixture
def both(tenant: Tenant, consultant: User) -> tuple[Cutover, Cutover]:
    """An outbound and a later inbound cutover, planned without a caution."""
    domains = list(tenant.domains.all())
    plan = tenant.plan
    outbound = plan_cutover(plan, "outbound", at("2 Mon 19:00"), domains, by=consultant)
    return outbound, plan_cutover(plan, "inbound", at("3 Mon 19:00"), domains, by=consultant)


STRANDED = (
    "The inbound cutover of northwind.test remains planned. No outbound cutover is planned or done,"
    " so inbound mail would switch first."
)


def test_cancelled_outbound_requires_reason(
    both: tuple[Cutover, Cutover], tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    outbound, inbound = both
    client = signed_in(consultant)
    url = reverse("onboarding:cutover-cancel", args=[tenant.public_id, outbound.public_id])

    refused = client.post(url)
    was_planned = Cutover.objects.filter(pk=outbound.pk).exists()
    done = client.post(url, {"reason": "Inbound only."})

    inbound.refresh_from_db()
    assert (refused.status_code, was_planned, done.status_code) == (422, True, 302)
    assert any(STRANDED in text for text in texts(refused.content.decode(), "form"))
    assert not Cutover.objects.filter(pk=outbound.pk).exists()
    assert inbound.planning_reason == "Inbound only."
    assert list(inbound.planning_cautions) == ["order"]


def test_moved_outbound_requires_reason(both: tuple[Cutover, Cutover], consultant: User) -> None:
    """The form of the outbound cutover has the same caution, so one reason covers both."""
    outbound, inbound = both
    domains = list(outbound.domains.all())

    with pytest.raises(ReasonMissing):
        change_cutover(outbound, at("4 Mon 19:00"), domains, expected_round=1, by=consultant)
    change_cutover(
        outbound, at("4 Mon 19:00"), domains, expected_round=1, by=consultant, reason="Agreed."
    )

    inbound.refresh_from_db()
    assert inbound.planning_reason == "Agreed."


def test_domain_removed_from_outbound_requires_reason(
    make_tenant: MakeTenant, consultant: User
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    domains, plan = list(tenant.domains.order_by("name")), tenant.plan
    outbound = plan_cutover(plan, "outbound", at("2 Mon 19:00"), domains, by=consultant)
    plan_cutover(plan, "inbound", at("3 Mon 19:00"), domains, by=consultant)

    with pytest.raises(ReasonMissing, match=r"two\.test is in no outbound cutover"):
        change_cutover(outbound, outbound.planned_at, domains[:1], expected_round=1, by=consultant)


def test_cancelled_inbound_and_order_need_no_reason(
    both: tuple[Cutover, Cutover], consultant: User
) -> None:
    outbound, inbound = both

    cancel_cutover(inbound, by=consultant)
    cancel_cutover(outbound, by=consultant)

    assert not Cutover.objects.exists()


def test_later_time_clears_reason(tenant: Tenant, consultant: User) -> None:
    domains = list(tenant.domains.all())
    made = plan_cutover(
        tenant.plan, "outbound", at("Mon 12:00"), domains, by=consultant, reason="Agreed."
    )

    change_cutover(
        made, at("Thu 12:00"), domains, expected_round=1, by=consultant, reason="Agreed."
    )

    made.refresh_from_db()
    assert (made.planning_reason, made.planning_cautions) == ("", {})


def test_stored_reason_covers_same_cautions(tenant: Tenant, consultant: User) -> None:
    domains = list(tenant.domains.all())
    made = plan_cutover(
        tenant.plan, "inbound", at("3 Mon 19:00"), domains, by=consultant, reason="Agreed."
    )

    change_cutover(made, at("3 Tue 19:00"), domains, expected_round=1, by=consultant)
    with pytest.raises(ReasonMissing, match="2 h 0 min before its start"):
        change_cutover(made, at("Mon 10:00"), domains, expected_round=2, by=consultant)

    made.refresh_from_db()
    assert (made.planning_reason, made.planned_at) == ("Agreed.", at("3 Tue 19:00"))


# --- The facts


def _safe_times(**hours: float | None) -> dict[str, Any]:
    """The facts of domains that are safe in so many hours; None: not known."""
    names = [f"{name}.test" for name in hours]
    return {
        "safe_times": [
            (
                f"{name}.test",
                SafeTime(None)
                if value is None
                else SafeTime(NOW + value * HOUR, server="ns1", ttl=3600, seen_until=NOW),
            )
            for name, value in hours.items()
        ],
        "subjects": {
            CheckKind.MX_TTL: [subject_of(CheckKind.MX_TTL, "pass", name=name) for name in names],
            CheckKind.MX: [subject_of(CheckKind.MX, "fail", name=name) for name in names],
        },
    }


def test_safe_time_per_domain_if_different() -> None:
    same = window_facts(facts_for("inbound", **_safe_times(a=3, b=3)), [], NO_CALENDAR)
    differ = window_facts(facts_for("inbound", **_safe_times(a=3, b=5)), [], NO_CALENDAR)
    unknown = window_facts(facts_for("inbound", **_safe_times(a=3, b=None)), [], NO_CALENDAR)

    assert [row.detail for row in same.safe_rows] == [
        "Earliest safe cutover: Tue 1 Dec 13:00 EST, because ns1 published 3600 s for a.test until"
        " Tue 1 Dec 10:00 EST."
    ]
    assert [row.detail.partition(",")[0] for row in differ.safe_rows] == [
        "Earliest safe cutover: Tue 1 Dec 13:00 EST",
        "Earliest safe cutover: Tue 1 Dec 15:00 EST",
    ]
    assert (differ.earliest, unknown.earliest) == (NOW + 5 * HOUR, None)
    assert "no safe time is known" in unknown.safe_rows[1].detail


@pytest.mark.parametrize(
    ("others", "given", "sentence", "ends"),
    [
        ([], {}, "Outbound mail has not switched. Inbound follows 3 days after it.", None),
        (
            [Cutover(direction="outbound", planned_at=NOW + DAY)],
            {},
            "The outbound cutover is planned for Wed 2 Dec 10:00 EST. Its 3 days end on"
            " Sat 5 Dec 10:00 EST.",
            NOW + 4 * DAY,
        ),
        (
            [],
            {"outbound_since": NOW - DAY},
            "Outbound mail leaves through Mimecast since Mon 30 Nov 10:00 EST. The 3 outbound days"
            " end on Thu 3 Dec 10:00 EST.",
            NOW + 2 * DAY,
        ),
    ],
)
def test_facts_have_end_of_outbound_days(
    others: list[Cutover], given: dict[str, Any], sentence: str, ends: datetime | None
) -> None:
    status = "verified" if given else "todo"
    tasks = {"outbound-cutover": task_at("outbound-cutover", status)}
    facts = facts_for("inbound", tasks=tasks, **_safe_times(a=1), **given)

    found = window_facts(facts, others, NO_CALENDAR)

    assert (found.outbound, found.earliest) == (sentence, ends)


@pytest.mark.parametrize("status", ["accepted_risk", "declined"])
def test_decision_is_no_switch(status: str) -> None:
    task = task_at("outbound-cutover", status)
    facts = facts_for("inbound", tasks={"outbound-cutover": task}, **_safe_times(a=1))

    found = window_facts(facts, [], NO_CALENDAR)
    row = outbound_first_row(facts)

    assert "leaves through Mimecast" not in found.outbound + row.detail
    assert found.outbound.startswith("Nothing shows that outbound mail has switched.")
    assert row.verdict is not Verdict.PASS


def test_facts_list_freezes_and_holidays() -> None:
    def freeze(first: date, last: date, reason: str) -> Freeze:
        return Freeze(first_day=first, last_day=last, reason=reason)

    calendar = ConflictContext(
        [],
        [],
        Calendar(NEW_YORK),
        holidays={date(2026, 12, 25): "Christmas", date(2026, 11, 26): "Thanksgiving"},
        freezes=[
            freeze(date(2026, 12, 1), date(2026, 12, 2), "Year end"),
            freeze(date(2026, 12, 3), date(2026, 12, 3), "Audit"),
            freeze(date(2027, 6, 1), date(2027, 6, 2), "Far away"),
        ],
    )

    found = window_facts(facts_for("inbound", **_safe_times(a=1)), [], calendar)

    assert list(found.days_off) == [
        "Tuesday 1 December to Wednesday 2 December: Year end (freeze for all tenants)",
        "Thursday 3 December: Audit (freeze for all tenants)",
        "Friday 25 December: Christmas (holiday)",
    ]
    assert found.earliest == datetime(2026, 12, 4, tzinfo=NEW_YORK)
    assert after_freezes(at("Mon 08:00"), calendar) == at("Mon 08:00")


def test_form_shows_facts_in_tenant_zone(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(time_zone="America/New_York")
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:00"), 86_400, OLD)
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:30"), 300, OLD)
    Holiday.objects.create(tenant=tenant, day=date(2026, 12, 25), name="Christmas")

    html = signed_in(consultant).get(_page(tenant)).content.decode()

    shown = texts(html, "#effects-inbound")[0]
    assert "Earliest safe cutover: Tue 1 Dec 02:30 EST, because ns1.test (192.0.2.1)" in shown
    assert "Outbound mail has not switched. Inbound follows 3 days after it." in shown
    assert "Friday 25 December: Christmas (holiday)" in shown
    assert task_of(tenant, "mx-ttl-update").title in shown
    assert NEW[0] not in shown


# --- The preview


def test_preview_stores_nothing(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    domains = list(tenant.domains.all())
    planned = plan_cutover(tenant.plan, "outbound", at("3 Mon 19:00"), domains, by=consultant)
    client = signed_in(consultant)
    entry = _entry(tenant, "outbound", "2026-12-16T19:00", preview="yes")

    page = client.post(_page(tenant, planned), entry).content.decode()
    fragment = client.post(_page(tenant, planned), entry, headers={"HX-Request": "true"})

    for html in (page, fragment.content.decode()):
        rows = [each for each in texts(html, "tr") if "Cutover" in each]
        assert any("Mon 14 Dec 2026 Wed 16 Dec 2026" in each for each in rows)
    assert "<html" not in fragment.content.decode()
    planned.refresh_from_db()
    assert planned.planned_at == at("3 Mon 19:00")


def test_save_confirms_shown_dates_only(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    domains = list(tenant.domains.all())
    planned = plan_cutover(tenant.plan, "outbound", at("3 Mon 19:00"), domains, by=consultant)
    client = signed_in(consultant)
    entry = _entry(tenant, "outbound", "2026-12-16T19:00")
    shown = client.post(_page(tenant, planned), entry).context["window"].preview.fingerprint

    other = client.post(
        _page(tenant, planned), entry | {"planned_at": "2026-12-17T19:00", "confirmed": shown}
    )
    saved = client.post(_page(tenant, planned), entry | {"confirmed": shown})

    assert (other.status_code, saved.status_code) == (200, 302)
    planned.refresh_from_db()
    assert planned.planned_at == at("3 Wed 19:00")


RULES = st.tuples(st.sampled_from(["", "start", "outbound", "inbound"]), st.integers(-12, 12))
STARTS = st.lists(
    st.tuples(st.sampled_from(["outbound", "inbound"]), st.integers(1, 60)), min_size=1, max_size=3
)


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rules=st.lists(RULES, min_size=6, max_size=6),
    manual=st.sets(st.integers(0, 5)),
    starts=STARTS,
    days=st.integers(1, 60),
    holidays=st.sets(st.integers(0, 70), max_size=6),
    is_cancelled=st.booleans(),
)
def test_preview_equals_update(
    tenant: Tenant,
    consultant: User,
    fixed_monday: Clock,
    rules: list[tuple[str, int]],
    manual: set[int],
    starts: list[tuple[str, int]],
    days: int,
    holidays: set[int],
    is_cancelled: bool,
) -> None:
    """The preview lists exactly the due dates that the saved change moves."""
    now, domains = fixed_monday.now, list(tenant.domains.all())
    with transaction.atomic():
        rows = list(Task.objects.filter(plan=tenant.plan, is_group=False, applies=True)[:6])
        for number, (task, (anchor, offset)) in enumerate(zip(rows, rules, strict=True)):
            task.due_from, task.due_working_days = anchor, offset
            task.is_due_date_manual = number in manual
            task.save()
        Holiday.objects.bulk_create(
            Holiday(tenant=tenant, day=(now + day * DAY).date(), name="Day") for day in holidays
        )
        planned = [cutover_of(tenant, way, now + day * DAY, "none.test") for way, day in starts]
        changed = planned[0]
        moved = Cutover(plan=tenant.plan, direction=changed.direction, planned_at=now + days * DAY)
        instead = planned[1:] if is_cancelled else [*planned[1:], moved]
        before = dict(Task.objects.values_list("pk", "due_on"))

        preview = due_date_shifts(tenant.plan, instead=instead)
        if is_cancelled:
            cancel_cutover(changed, by=consultant, reason="Yes.")
        else:
            change_cutover(
                changed, moved.planned_at, domains, expected_round=1, by=consultant, reason="Yes."
            )

        after = dict(Task.objects.values_list("pk", "due_on"))
        transaction.set_rollback(True)
    assert {(each.task.pk, each.before, each.after) for each in preview} == {
        (pk, before[pk], day) for pk, day in after.items() if day != before[pk]
    }
