"""The typed fields of tasks: their values, their errors, and the confirmation that needs them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import EvidenceFile, Task, TaskStatus
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.services import actor_for, confirm_task
from onboarding.plans.task_fields import (
    FieldDefinition,
    FieldError,
    FieldRow,
    FieldType,
    cautions,
    read_value,
    text_of,
    today_for,
)
from tenants.models import ActivityLine, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, fill_fields, record_fact, task_of
from tests.markup import texts

CONVERSATION = "initial-conversation"
REVIEW = "implementation-plan-review"
ACCOUNT = "account-creation"


def definition(of: FieldType, **other: Any) -> FieldDefinition:
    return FieldDefinition("key", "Label", of, **other)


def save(tenant: Tenant, key: str, by: User, **values: Any) -> list[str]:
    return save_typed(
        tenant, key, by, {name.replace("_", "-"): value for name, value in values.items()}
    )


def save_typed(tenant: Tenant, key: str, by: User, typed: dict[str, Any]) -> list[str]:
    task = task_of(tenant, key)
    rows = load_field_rows(task, tenant)
    return save_fields(task, typed, by=by, actor=actor_for(by, tenant), expected=fingerprint(rows))


@pytest.mark.parametrize(
    ("of", "text", "value"),
    [
        (definition(FieldType.DATE), " 2026-11-23 ", "2026-11-23"),
        (definition(FieldType.NUMBER), "1 250", 1250),
        (definition(FieldType.NUMBER), "1,250", 1250),
        (definition(FieldType.NUMBER), "0", 0),
        (definition(FieldType.NUMBER, at_least=1), "1", 1),
        (definition(FieldType.PEOPLE), "Jo  Lee\r\nAnn\n\nJo Lee; Bo", ["Jo Lee", "Ann", "Bo"]),
        (definition(FieldType.CHOICE, choices=("Any", "None")), "None", "None"),
        (definition(FieldType.TEXT), "", None),
        (definition(FieldType.NUMBER), "  ", None),
    ],
)
def test_text_is_read_and_shown_again(of: FieldDefinition, text: str, value: Any) -> None:
    assert read_value(of, text) == value
    assert read_value(of, text_of(of, value)) == value


@pytest.mark.parametrize(
    ("of", "text", "problem"),
    [
        (definition(FieldType.DATE), "23.11.2026", "Enter a date such as 2026-11-23."),
        (definition(FieldType.DATE), "0026-11-23", "0026-11-23 is not plausible"),
        (definition(FieldType.DATE), "2026-02-30", "Enter a date"),
        (definition(FieldType.NUMBER), "-3", "Enter a whole number, such as 250."),
        (definition(FieldType.NUMBER), "٣", "Enter a whole number"),
        (definition(FieldType.NUMBER), "9" * 500, "Enter a number of at most 10,000,000."),
        (definition(FieldType.NUMBER, at_least=1), "0", "Enter a number of at least 1."),
        (definition(FieldType.CHOICE, choices=("Any",)), "all", "Choose one of: Any."),
        (definition(FieldType.TEXT), "x" * 501, "at most 500 characters. You entered 501."),
        (definition(FieldType.PEOPLE), "\n".join(["x" * 100] * 2 + ["y" * 450]), "500 characters"),
        (definition(FieldType.FILE), "a.png", "Attach the file"),
    ],
)
def test_invalid_text_has_a_sentence(of: FieldDefinition, text: str, problem: str) -> None:
    with pytest.raises(FieldError) as refused:
        read_value(of, text)

    assert problem in str(refused.value)


def test_number_above_its_limit_is_a_caution() -> None:
    users = FieldDefinition("users", "Users", FieldType.NUMBER, at_most="licences")
    licences = FieldDefinition("licences", "Licences", FieldType.NUMBER)

    def of(first: int | None, second: int | None) -> list[str]:
        return list(cautions([FieldRow(users, None, first), FieldRow(licences, None, second)]))

    assert of(1250, 1000) == ["Users: 1,250 is 250 more than “Licences” (1,000)."]
    assert [of(1000, 1000), of(None, 5), of(5, None)] == [[], [], []]


def test_no_licence_is_refused_beside_the_field(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    task = task_of(tenant, "azure-ad-sync")
    names = {row.definition.key: row.name for row in load_field_rows(task, tenant)}
    typed = {names["user-count"]: "25", names["licence-count"]: "0"}
    address = reverse("onboarding:task-fields", args=[tenant.public_id, task.public_id])

    answer = signed_in(owner).post(
        address, typed | {"expected": fingerprint(load_field_rows(task, tenant))}
    )

    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Enter a number of at least 1." in " ".join(texts(html, ".errorlist"))
    assert 'value="25"' in html
    assert task_of(tenant, "azure-ad-sync").field_values == {}


def test_stored_number_that_is_too_small_is_missing(tenant: Tenant, owner: User) -> None:
    """An upgraded plan can have a value that the new version refuses."""
    task = fill_fields(task_of(tenant, "azure-ad-sync"))
    task.field_values["licence-count"]["value"] = 0
    task.save()

    with pytest.raises(OnboardingError, match=r"Enter “Licences bought” first\."):
        confirm_task(task, by=owner, side="client")


def test_task_needs_its_fields(tenant: Tenant, consultant: User, owner: User) -> None:
    with pytest.raises(OnboardingError) as refused:
        confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")
    assert str(refused.value) == "Enter “Date of the session” and “People who took part” first."

    changed = save(tenant, CONVERSATION, owner, session_date="2026-11-02", participants=["Jo"])
    record_fact(tenant, "contacts")
    confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")

    assert changed == ["Date of the session", "People who took part"]
    line = ActivityLine.objects.get(tenant=tenant, action="task-fields-set")
    assert line.params["values"] == [
        ["Date of the session", "2026-11-02"],
        ["People who took part", "Jo"],
    ]


def test_event_in_the_future_cannot_be_confirmed(tenant: Tenant, owner: User) -> None:
    later = today_for(tenant) + timedelta(days=1)
    save(tenant, CONVERSATION, owner, session_date=later.isoformat(), participants=["Jo"])
    record_fact(tenant, "contacts")

    with pytest.raises(OnboardingError) as refused:
        confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")
    save(tenant, CONVERSATION, owner, session_date=today_for(tenant).isoformat())
    confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")

    expected = "“Date of the session” is in the future. Confirm the task when it is over."
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("of", "countdown_days", "is_ahead"),
    [
        (FieldType.DATE, None, True),
        (FieldType.DATE, 90, True),
        # An expiry, which is ahead as long as it matters.
        (FieldType.DATE, 0, False),
        (FieldType.TEXT, None, False),
    ],
)
def test_only_days_of_events_can_be_ahead(
    of: FieldType, countdown_days: int | None, is_ahead: bool
) -> None:
    row = FieldRow(
        definition(of, countdown_days=countdown_days), None, "2026-11-03", today=date(2026, 11, 2)
    )

    assert row.is_ahead is is_ahead
    assert not replace(row, today=date(2026, 11, 3)).is_ahead


def test_confirmed_task_retains_its_required_values(tenant: Tenant, owner: User) -> None:
    save(tenant, CONVERSATION, owner, session_date="2026-11-02", participants=["Jo"])
    record_fact(tenant, "contacts")
    confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")

    save(tenant, CONVERSATION, owner, session_date="2026-11-03")
    with pytest.raises(OnboardingError, match="Withdraw the confirmation before"):
        save(tenant, CONVERSATION, owner, session_date=None)

    assert task_of(tenant, CONVERSATION).field_values["session-date"]["value"] == "2026-11-03"


def test_review_needs_both_planned_cutovers(tenant: Tenant, owner: User) -> None:
    soon = timezone.now() + timedelta(days=9)

    def problem() -> str:
        with pytest.raises(OnboardingError) as refused:
            confirm_task(task_of(tenant, REVIEW), by=owner, side="client")
        return str(refused.value)

    assert problem().startswith("Plan the outbound and the inbound cutover first")
    cutover_of(tenant, "outbound", soon)
    assert problem().startswith("Plan the inbound cutover first")

    cutover_of(tenant, "inbound", soon + timedelta(days=5))
    confirm_task(task_of(tenant, REVIEW), by=owner, side="client")
    assert task_of(tenant, REVIEW).status == TaskStatus.PARTLY_CONFIRMED


@pytest.mark.parametrize("status", ["verified", "done", "not_applicable"])
def test_review_needs_no_date_after_the_switch(tenant: Tenant, owner: User, status: str) -> None:
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9))
    Task.objects.filter(plan__tenant=tenant, role="switches-outbound").update(status=status)

    confirm_task(task_of(tenant, REVIEW), by=owner, side="client")

    assert task_of(tenant, REVIEW).status == TaskStatus.PARTLY_CONFIRMED


def test_field_per_domain_needs_each_domain(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(
        "Two", domains=(("one.test", "primary"), ("two.test", "secondary"), ("p.test", "parked"))
    )
    task = task_of(tenant, "recipient-validation")
    names = [row.name for row in load_field_rows(task, tenant)]
    save_typed(tenant, task.key, consultant, {names[0]: "Any address"})

    with pytest.raises(OnboardingError, match=r"Enter “Recipient validation: two\.test” first"):
        confirm_task(task_of(tenant, task.key), by=consultant, side="mimecast")

    assert len(names) == 2


def test_file_is_a_field(tenant: Tenant, owner: User) -> None:
    task = task_of(tenant, "office-365-connection-filter")
    with pytest.raises(OnboardingError, match="Attach “Export or screenshot"):
        confirm_task(task, by=owner, side="client")

    EvidenceFile.objects.create(
        task=task, name="a.png", content_type="image/png", size=1, stored_as="a"
    )
    confirm_task(task, by=owner, side="client")

    assert task_of(tenant, task.key).status == TaskStatus.DONE


def test_second_save_is_a_conflict(tenant: Tenant, consultant: User, owner: User) -> None:
    seen = fingerprint(load_field_rows(task_of(tenant, CONVERSATION), tenant))
    save(tenant, CONVERSATION, consultant, session_date="2026-11-02")

    with pytest.raises(ConflictingChange):
        save_fields(
            task_of(tenant, CONVERSATION),
            {"session-date": "2026-11-09"},
            by=owner,
            actor=actor_for(owner, tenant),
            expected=seen,
        )

    assert task_of(tenant, CONVERSATION).field_values["session-date"]["value"] == "2026-11-02"


def test_other_side_cannot_save(tenant: Tenant, owner: User, viewer: User) -> None:
    with pytest.raises(NotPermitted):
        save(tenant, ACCOUNT, owner, first_sign_in=["Jo"])
    with pytest.raises(NotPermitted):
        save(tenant, CONVERSATION, viewer, participants=["Jo"])


# --- Pages


def address(tenant: Tenant, key: str) -> str:
    task = task_of(tenant, key)
    return reverse("onboarding:task-fields", args=[tenant.public_id, task.public_id])


def post(client: Client, tenant: Tenant, key: str, **typed: str) -> Any:
    rows = load_field_rows(task_of(tenant, key), tenant)
    data = {name.replace("_", "-"): value for name, value in typed.items()}
    return client.post(address(tenant, key), data | {"expected": fingerprint(rows)})


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("CDE1A1", "belongs to Germany, but the plan is for"),
        ("X", "does not start with the prefix of a region"),
    ],
)
def test_account_code_must_match_the_region(
    tenant: Tenant, consultant: User, signed_in: SignIn, code: str, problem: str
) -> None:
    answer = post(signed_in(consultant), tenant, ACCOUNT, account_code=code, first_sign_in="Jo")

    assert answer.status_code == 422
    assert problem in " ".join(answer.context["form"].errors["account-code"])
    assert answer.context["form"]["first-sign-in"].value() == "Jo"
    tenant.refresh_from_db()
    assert tenant.account_code == ""


def test_account_code_is_the_one_of_the_profile(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    answer = post(signed_in(consultant), tenant, ACCOUNT, account_code="cusa10A100")

    assert answer.status_code == 302
    tenant.refresh_from_db()
    assert tenant.account_code == "CUSA10A100"
    (row, _) = load_field_rows(task_of(tenant, ACCOUNT), tenant)
    assert row.value == "CUSA10A100"


def test_countdown_shows_its_end(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    opened = timezone.now().date() - timedelta(days=3)
    client = signed_in(consultant)
    post(client, tenant, "email-security-setup-wizard", opened_on=opened.isoformat())

    place = reverse("onboarding:plan-show", args=[tenant.public_id])
    page = client.get(place + "?phase=mimecast-account-creation").content.decode()

    (shown,) = [each for each in texts(page, "li") if each.startswith("The wizard closes")]
    end = opened + timedelta(days=90)
    assert shown == f"The wizard closes: {end:%a} {end.day} {end:%b %Y}, in 87 days"


def test_page_names_missing_values(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    place = reverse("onboarding:my-tasks", args=[tenant.public_id])
    page = signed_in(owner).get(place).content.decode()

    card = texts(page, f"#{CONVERSATION}")[0]
    assert "Enter “Date of the session” and “People who took part” first." in card
    assert "Mark as done" not in card


def test_saved_form_returns_to_the_clients_page(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    typed = {"session_date": "2026-11-02", "participants": "Jo\nAnn", "from": "my-tasks"}
    answer = post(signed_in(owner), tenant, CONVERSATION, **typed)

    assert answer["Location"] == reverse("onboarding:my-tasks", args=[tenant.public_id])
    assert task_of(tenant, CONVERSATION).field_values["participants"]["value"] == ["Jo", "Ann"]


def test_values_are_saved_with_the_confirmation(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(owner)
    record_fact(tenant, "contacts")

    def offered() -> bool:
        page = client.get(reverse("onboarding:my-tasks", args=[tenant.public_id]))
        return "Save and mark our part as done" in texts(page.content.decode(), "button")

    assert offered()
    post(client, tenant, CONVERSATION, session_date="2026-11-02", confirm="yes")
    assert task_of(tenant, CONVERSATION).client_confirmed_at is None

    post(client, tenant, CONVERSATION, session_date="2026-11-02", participants="Jo", confirm="yes")
    assert task_of(tenant, CONVERSATION).client_confirmed_by == owner
    assert not offered()


def test_upgrade_of_an_old_plan_has_no_fields(tenant: Tenant, owner: User) -> None:
    """A plan of an earlier version has no fields, and confirms as before."""
    Task.objects.filter(plan=tenant.plan, key=CONVERSATION).update(fields=[])

    confirm_task(task_of(tenant, CONVERSATION), by=owner, side="client")

    assert task_of(tenant, CONVERSATION).status == TaskStatus.PARTLY_CONFIRMED
