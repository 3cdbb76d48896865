"""Showing a test message: what the form says, and what the page makes of the worker's verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from checks import runs
from checks.engine.batch import CheckRequest
from checks.engine.mail import message
from checks.engine.outcomes import CheckKind, Outcome
from checks.models import Check, Observation, SubmittedMessage
from onboarding.plan_templates.plan_creation import apply_profile
from tenants.models import ActivityLine, Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.signed_messages import SELECTOR, record, signed, written
from tests.cutovers import cutover_of
from tests.factories import SignIn, task_of

ZONE = f"""
{SELECTOR}._domainkey.northwind.test TXT "{record()}"
northwind.test TXT "v=spf1 include:us._netblocks.mimecast.com -all"
us._netblocks.mimecast.com TXT "v=spf1 ip4:207.211.31.0/25 ~all"
"""


@pytest.fixture
def check(tenant: Tenant) -> Check:
    tenant.domains.update(dkim_selectors=SELECTOR)
    apply_profile(tenant)
    return Check.objects.get(tenant=tenant, kind=CheckKind.MESSAGE)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker asks these zones instead of the network."""

    async def run_all(asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        lookup = ZoneLookup(ZONE)
        return [
            await message.inspect(each.domain, each.selectors, each.region, each.message, lookup)
            for each in asked
        ]

    monkeypatch.setattr(runs, "run_all", run_all)


def source(sender: str = "Ann <ann@northwind.test>") -> bytes:
    fields = written(sender, return_path="<ann@northwind.test>")
    return signed(fields, domain="northwind.test", signed_at=timezone.now())


def page_of(check: Check, name: str = "test-message") -> str:
    return reverse(f"onboarding:{name}", args=[check.tenant.public_id, check.public_id])


def post(client: Client, check: Check, **data: Any) -> Any:
    return client.post(page_of(check, "test-message-submit"), data)


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_pasted_message_is_judged_and_ticks_the_task(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)

    with django_capture_on_commit_callbacks(execute=True):
        answer = post(client, check, source=source().decode())

    assert (answer.status_code, answer["Location"]) == (302, page_of(check))
    shown = text_of(client.get(page_of(check)))
    assert "Sent through Mimecast and signed" in shown
    for fact in ("signature", "age", "path", "spf", "dmarc"):
        assert f'<tr data-fact="{fact}" data-verdict="pass">' in shown
    assert task_of(check.tenant, "outbound-cutover").status == "verified"


def test_an_uploaded_file_is_judged(
    check: Check, consultant: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    file = SimpleUploadedFile("m.eml", source())

    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(consultant), check, file=file)

    assert Observation.objects.get(check_asked=check).verdict == "pass"


def test_while_it_waits_the_page_says_so_and_a_fragment_does_too(
    check: Check, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(owner)
    post(client, check, source=source().decode())

    whole = text_of(client.get(page_of(check)))
    fragment = text_of(client.get(page_of(check), headers={"HX-Request": "true"}))

    assert "<h2>Checking the message</h2>" in whole
    assert "<h2>Checking the message</h2>" in fragment
    assert "<textarea" in whole
    assert "<textarea" not in fragment


def test_neither_body_nor_subject_is_kept(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(owner), check, source=source().decode())

    shown = SubmittedMessage.objects.get()
    assert bytes(shown.content) == b""
    assert "Second line" not in str(Observation.objects.get(check_asked=check).evidence)


def test_a_message_of_another_domain_proves_nothing(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)

    with django_capture_on_commit_callbacks(execute=True):
        post(client, check, source=source("eve@n0rthwind.test").decode())

    shown = text_of(client.get(page_of(check)))
    assert "No proof" in shown
    assert "The message comes from <code>n0rthwind.test</code>" in shown
    assert task_of(check.tenant, "outbound-cutover").status == "todo"


def test_a_message_from_before_the_planned_cutover_does_not_tick_it(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    planned = timezone.now() + timedelta(days=1)
    cutover_of(check.tenant, "outbound", planned)

    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(owner), check, source=source().decode())

    assert SubmittedMessage.objects.get().not_before == planned
    findings = Observation.objects.get(check_asked=check).findings
    assert [found["code"] for found in findings] == ["message.before-cutover"]
    assert task_of(check.tenant, "outbound-cutover").status == "todo"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Paste the message’s source, or choose a file."),
        ({"source": "  \n"}, "Paste the message’s source, or choose a file."),
        ({"source": "Dear all,\nhello"}, "This does not begin with header lines."),
        (
            {"source": "From: a@b.test", "file": SimpleUploadedFile("m.eml", b"From: a@b.test")},
            "Paste the message or choose a file, not both. What you pasted is kept.",
        ),
        ({"file": SimpleUploadedFile("m.eml", b"")}, "There is nothing in it."),
        ({"file": SimpleUploadedFile("m.eml", b"a" * 2_000_001)}, "That is more than 2 MB."),
        ({"file": SimpleUploadedFile("m.png", b"\x89PNG\r\n\x1a\n")}, "does not begin with header"),
    ],
)
def test_bad_input_gets_a_sentence_beside_the_field(
    check: Check, owner: User, signed_in: SignIn, data: dict[str, Any], sentence: str
) -> None:
    answer = post(signed_in(owner), check, **data)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert not SubmittedMessage.objects.exists()


def test_what_was_pasted_is_kept(check: Check, owner: User, signed_in: SignIn) -> None:
    answer = post(signed_in(owner), check, source="Dear all,\nhello")

    assert "Dear all," in text_of(answer)


def test_a_file_beyond_the_upload_limit_is_told_too(
    check: Check, owner: User, signed_in: SignIn, settings: Settings
) -> None:
    settings.FILES_MAX_BYTES = 1_000

    answer = post(signed_in(owner), check, file=SimpleUploadedFile("m.eml", b"a" * 5_000))

    assert answer.status_code == 422
    assert "That is more than 2 MB." in text_of(answer)


def test_a_viewer_reads_and_is_offered_no_form(
    check: Check, viewer: User, signed_in: SignIn
) -> None:
    shown = signed_in(viewer).get(page_of(check))

    assert shown.status_code == 200
    assert "<textarea" not in text_of(shown)


def test_another_kind_of_check_has_no_such_page(
    check: Check, owner: User, signed_in: SignIn
) -> None:
    other = Check.objects.get(tenant=check.tenant, kind=CheckKind.OWNERSHIP)
    client = signed_in(owner)

    assert client.get(page_of(other)).status_code == 404
    assert post(client, other, source="From: a@b.test").status_code == 404


def test_the_tasks_and_the_drawer_lead_to_the_page(
    check: Check, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(owner)
    plan = reverse("onboarding:plan-show", args=[check.tenant.public_id])
    domains = reverse("onboarding:domains", args=[check.tenant.public_id])

    for address in (
        f"{plan}?phase=outbound-cutover-phase",
        f"{domains}?check={check.public_id}",
    ):
        assert f'href="{page_of(check)}"' in text_of(client.get(address))


def test_showing_a_message_is_in_the_activity(check: Check, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    post(client, check, source=source().decode())

    line = ActivityLine.objects.get(tenant=check.tenant, action="test-message-submitted")
    assert (line.actor, line.params["domain"]) == (owner, "northwind.test")
    activity = client.get(reverse("onboarding:activity", args=[check.tenant.public_id]))
    assert "submitted a test message from <code>northwind.test</code>" in text_of(activity)


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_asks_as_much_for_one_message_as_for_three(
    check: Check,
    owner: User,
    signed_in: SignIn,
    count: int,
    django_capture_on_commit_callbacks: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in(owner)
    for _ in range(count):
        with django_capture_on_commit_callbacks(execute=True):
            post(client, check, source=source().decode())

    with django_assert_num_queries(13):
        client.get(page_of(check))
