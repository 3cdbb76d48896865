"""The client's home: the answer to a confirmation, titles, one main button, dates, the cutover."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Cutover, Task, TaskStatus
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plans.client_tasks import UpcomingTask, client_tasks
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rows import TaskRow, Viewer, rows_of
from onboarding.plans.services import actor_for
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import SignIn, task_of
from tests.markup import texts

BOTH = "mail-flow-infrastructure"


def address(name: str, tenant: Tenant, *more: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, *more])


def confirm(tenant: Tenant, user: User, signed_in: SignIn, key: str = BOTH) -> tuple[str, str]:
    """Confirm as on the page. Returns the address and the text of the next page."""
    client, task = signed_in(user), task_of(tenant, key)
    sent = {"from": "my-tasks", "expected": task.status}
    response = client.post(address("task-confirm", tenant, task.public_id), sent, follow=True)
    return response.redirect_chain[-1][0], response.content.decode()


def test_confirmation_is_answered_with_undo(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    place, page = confirm(tenant, owner, signed_in)

    task = task_of(tenant, BOTH)
    assert place == f"{address('my-tasks', tenant)}?confirmed={task.public_id}"
    (notice,) = texts(page, "#confirmed")
    assert f"You confirmed {task.heading}. Mimecast reviews it next." in notice
    assert f"Undo: {task.heading}" in notice


def test_undo_of_the_notice_opens_the_task(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    confirm(tenant, owner, signed_in)
    task = task_of(tenant, BOTH)
    assert task.undo is not None

    sent = {"from": "my-tasks", "expected": task.undo["at"]}
    page = signed_in(owner).post(address("task-undo", tenant, task.public_id), sent, follow=True)

    assert task_of(tenant, BOTH).status == TaskStatus.TODO
    assert texts(page.content.decode(), "#confirmed") == []


def test_confirmed_task_waits_on_mimecast(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _, page = confirm(tenant, owner, signed_in)

    (row,) = texts(page, f"#on-mimecast-{BOTH}")
    assert "You confirmed your part" in row


def test_notice_is_for_the_person_who_confirmed(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    place, _ = confirm(tenant, owner, signed_in)

    page = signed_in(member).get(place).content.decode()

    assert texts(page, "#confirmed") == []


@pytest.mark.parametrize("wanted", ["", "unknown", "\x00", "x" * 5000])
def test_notice_needs_a_confirmed_task(
    tenant: Tenant, owner: User, signed_in: SignIn, wanted: str
) -> None:
    page = signed_in(owner).get(address("my-tasks", tenant), {"confirmed": wanted})

    assert texts(page.content.decode(), "#confirmed") == []


def test_every_task_has_a_title_in_plain_words(tenant: Tenant) -> None:
    template = newest_template()
    assert template is not None

    tasks = template_version_of(template).tasks

    assert [task.key for task in tasks if not task.plain_title] == []
    plain = [task.plain_title for task in tasks]
    assert sorted(plain) == sorted(set(plain))
    stored = Task.objects.filter(plan=tenant.plan).values_list("key", "plain_title")
    assert dict(stored) == {task.key: task.plain_title for task in tasks}


def test_card_names_the_article_below_the_title(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    page = signed_in(owner).get(address("my-tasks", tenant)).content.decode()

    cards = re.findall(r'<article\s+class="card"\s+id="([^"]+)"', page)
    assert cards == ["initial-conversation", "mx-ttl-update"]
    for key in cards:
        (card,), task = texts(page, f"#{key}"), task_of(tenant, key)
        assert card.startswith(f"To do {task.plain_title} {task.title}")


def test_title_is_the_heading_without_plain_words() -> None:
    assert Task(title="SPF Record Update").heading == "SPF Record Update"


def test_no_card_has_two_main_buttons(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    """Every task of the plan is on the page once: the tasks above it are done."""
    client = signed_in(owner)
    seen: set[str] = set()
    Task.objects.filter(plan=tenant.plan).update(depends_on=[])
    while True:
        page = client.get(address("my-tasks", tenant)).content.decode()
        cards = re.findall(r'<article\s+class="card"\s+id="([^"]+)".*?</article>', page, re.S)
        if not cards or set(cards) <= seen:
            break
        for article in re.findall(r"<article.*?</article>", page, re.S):
            assert article.count('data-kind="main"') <= 1
            assert article.count("data-menu") == 1
        seen |= set(cards)
        Task.objects.filter(plan=tenant.plan, key__in=cards).update(status=TaskStatus.DONE)

    assert len(seen) > 25


def test_upcoming_tasks_have_their_dates(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover_of(tenant, "outbound", timezone.now() + timedelta(days=9))
    rows = rows_of(
        list(tasks_of(tenant.plan)),
        PlanContext.of(tenant),
        Viewer(actor_for(owner, tenant)),
    )
    cutovers = list(Cutover.objects.filter(plan=tenant.plan))

    upcoming = client_tasks(rows, cutovers=cutovers).upcoming

    days = [each.day for each in upcoming if each.day is not None]
    assert days == sorted(days)
    page = signed_in(owner).get(address("my-tasks", tenant)).content.decode()
    for each in upcoming:
        expected = each.task.due_on
        assert expected is None or f"{expected:%a} {expected.day} {expected:%b}" in page


@pytest.mark.parametrize(
    ("direction", "effect"),
    [
        (
            "outbound",
            "Outgoing mail starts to leave through Mimecast. Incoming mail does not change.",
        ),
        # Only a gateway ends its work: the servers behind Mimecast stay in use.
        (
            "inbound",
            "Incoming mail starts to arrive through Mimecast. Keep the old gateway, if there is"
            " one, until its safe time. Your users may receive digests of held messages.",
        ),
    ],
)
def test_next_cutover_states_its_effect(
    tenant: Tenant, owner: User, signed_in: SignIn, direction: str, effect: str
) -> None:
    cutover = cutover_of(tenant, direction, timezone.now() + timedelta(days=2))

    page = signed_in(owner).get(address("my-tasks", tenant)).content.decode()

    (section,) = texts(page, ".cutover-effect")
    assert effect in section
    assert "nothing to do" not in section
    assert address("cutover-calendar", tenant, cutover.public_id) in page


def test_effect_between_two_windows_is_of_the_next(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    """The first window is over, although its cutover room stays open for four hours."""
    past = cutover_of(tenant, "outbound", timezone.now() - timedelta(hours=3))
    Cutover.objects.filter(pk=past.pk).update(length_minutes=60)
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=2))

    page = signed_in(owner).get(address("my-tasks", tenant)).content.decode()

    (section,) = texts(page, ".cutover-effect")
    assert "inbound cutover" in section
    assert address("cutover-calendar", tenant, cutover.public_id) in page


def test_day_of_a_window_is_the_day_at_the_client() -> None:
    """23:00 in New York is the next day in UTC."""
    at = datetime(2026, 12, 2, 4, tzinfo=UTC)
    row = TaskRow.__new__(TaskRow)

    upcoming = UpcomingTask(row, at, ZoneInfo("America/New_York"))

    assert upcoming.day == date(2026, 12, 1)


def test_sentences_have_the_titles_of_their_page(tenant: Tenant) -> None:
    """The client's home has plain titles, also of the tasks in a sentence; the plan has others."""
    rows = rows_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant), Viewer())
    (row,) = [each for each in rows if each.task.key == "outbound-days"]
    outbound = task_of(tenant, "outbound-cutover")

    shown = [
        " ".join(render_to_string("plans/task_sentence.html", {"row": row, **more}).split())
        for more in ({"is_for_client": True}, {})
    ]

    assert outbound.heading != outbound.title
    assert f"starts when {outbound.heading} is done." in shown[0]
    assert f"starts when {outbound.title} is done." in shown[1]


def test_past_cutover_has_no_effect(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover_of(tenant, "outbound", timezone.now() - timedelta(days=2))

    page = signed_in(owner).get(address("my-tasks", tenant)).content.decode()

    assert texts(page, ".cutover-effect") == []


def test_calendar_file_has_one_window(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    cutover = cutover_of(tenant, "outbound", timezone.now() + timedelta(days=2))
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=8))

    response = signed_in(owner).get(address("cutover-calendar", tenant, cutover.public_id))

    lines = response.content.decode().split("\r\n")
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert [line for line in lines if line.startswith("UID:")] == [
        f"UID:cutover-{cutover.public_id}@gangway"
    ]
    assert f"DTSTART:{cutover.planned_at:%Y%m%dT%H%M%SZ}" in lines
