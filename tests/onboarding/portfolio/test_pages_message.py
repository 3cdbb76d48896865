"""The test message page: its form and the result of the check."""

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
from onboarding.models import DomainProgress, Task
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.services import confirm_task
from tenants.models import ActivityLine, Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.signed_messages import SELECTOR, record, signed, written
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
    """The worker queries these zones instead of the network."""

    async def run_within(asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        lookup = ZoneLookup(ZONE)
        return [
            await message.inspect(each.domain, each.selectors, each.region, each.message, lookup)
            for each in asked
        ]

    monkeypatch.setattr(runs, "run_within", run_within)


def source(sender: str = "Ann <ann@northwind.test>") -> bytes:
    fields = written(sender, return_path="<ann@northwind.test>")
    return signed(fields, domain="northwind.test", signed_at=timezone.now())


def page_of(check: Check, name: str = "test-message") -> str:
    return reverse(f"onboarding:{name}", args=[check.tenant.public_id, check.public_id])


def post(client: Client, check: Check, **data: Any) -> Any:
    return client.post(page_of(check, "test-message-submit"), data)


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_pasted_message_verifies_task(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)
    confirm_outbound(check, owner)

    with django_capture_on_commit_callbacks(execute=True):
        answer = post(client, check, source=source().decode())

    assert (answer.status_code, answer["Location"]) == (302, page_of(check))
    shown = text_of(client.get(page_of(check)))
    assert "Sent through Mimecast and signed" in shown
    for fact in ("signature", "age", "path", "spf", "dmarc"):
        assert f'<tr data-fact="{fact}" data-verdict="pass">' in shown
    assert task_of(check.tenant, "outbound-cutover").status == "verified"


def confirm_outbound(check: Check, owner: User) -> None:
    Task.objects.filter(plan=check.tenant.plan, key="outbound-cutover").update(depends_on=[])
    confirm_task(task_of(check.tenant, "outbound-cutover"), by=owner, side="client")


def test_pilot_message_asks_for_confirmation(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)
    Task.objects.filter(plan=check.tenant.plan, key="outbound-cutover").update(depends_on=[])

    with django_capture_on_commit_callbacks(execute=True):
        post(client, check, source=source().decode())
    plan = f"/t/{check.tenant.public_id}/?phase=outbound-cutover-phase"

    assert task_of(check.tenant, "outbound-cutover").status == "todo"
    assert (
        "The signed message from northwind.test is a pilot message. Confirm that the"
        " other connectors are off, then send a new message."
    ) in text_of(client.get(plan))


@pytest.mark.parametrize("as_file", [True, False])
def test_message_of_the_other_half_is_refused_next_to_the_field(
    check: Check,
    owner: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
    *,
    as_file: bool,
) -> None:
    """One message shows the connector of one half only."""
    client = signed_in(owner)
    Tenant.objects.filter(pk=check.tenant_id).update(platform="hybrid")
    confirm_outbound(check, owner)
    with django_capture_on_commit_callbacks(execute=True):
        post(client, check, source=source().decode(), sending_platform="cloud")

    again: dict[str, Any] = {"file": SimpleUploadedFile("m.eml", source())}
    again = again if as_file else {"source": source().decode()}
    answer = post(client, check, **again, sending_platform="on_premises")

    field = "file" if as_file else "source"
    refusal = "This message was submitted for the other platform. Send a new message through the"
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert answer.context["form"].errors[field][0].startswith(refusal)
    assert task_of(check.tenant, "outbound-cutover").status == "awaiting_verification"


def test_uploaded_message_is_checked(
    check: Check, consultant: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    file = SimpleUploadedFile("m.eml", source())

    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(consultant), check, file=file)

    assert Observation.objects.get(check_asked=check).verdict == "pass"


def test_pending_message_is_shown(check: Check, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    post(client, check, source=source().decode())

    whole = text_of(client.get(page_of(check)))
    fragment = text_of(client.get(page_of(check), headers={"HX-Request": "true"}))

    assert "<h2>Checking the message</h2>" in whole
    assert "<h2>Checking the message</h2>" in fragment
    assert "<textarea" in whole
    assert "<textarea" not in fragment


def test_body_and_subject_are_not_stored(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(owner), check, source=source().decode())

    shown = SubmittedMessage.objects.get()
    assert bytes(shown.content) == b""
    assert "Second line" not in str(Observation.objects.get(check_asked=check).evidence)


def test_message_of_other_domain_verifies_nothing(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)

    with django_capture_on_commit_callbacks(execute=True):
        post(client, check, source=source("eve@n0rthwind.test").decode())

    shown = text_of(client.get(page_of(check)))
    assert "No proof" in shown
    assert "The message comes from <code>n0rthwind.test</code>" in shown
    assert task_of(check.tenant, "outbound-cutover").status == "todo"


def test_message_before_confirmation_verifies_nothing(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    early = source().decode()
    confirm_outbound(check, owner)
    later = timezone.now().replace(microsecond=0) + timedelta(minutes=1)
    DomainProgress.objects.filter(domain=check.domain).update(client_confirmed_at=later)

    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(owner), check, source=early)

    assert SubmittedMessage.objects.get().not_before == later
    findings = Observation.objects.get(check_asked=check).findings
    assert [found["code"] for found in findings] == ["message.before-cutover"]
    assert task_of(check.tenant, "outbound-cutover").status == "awaiting_verification"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Paste the message’s source, or choose a file."),
        ({"source": "  \n"}, "Paste the message’s source, or choose a file."),
        ({"source": "Dear all,\nhello"}, "The text does not begin with header lines."),
        (
            {"source": "From: a@b.test", "file": SimpleUploadedFile("m.eml", b"From: a@b.test")},
            "Paste the message or choose a file, not both. Your text is still in the form.",
        ),
        ({"file": SimpleUploadedFile("m.eml", b"")}, "The message is empty."),
        ({"file": SimpleUploadedFile("m.eml", b"a" * 2_000_001)}, "The message has more than 2 MB"),
        ({"file": SimpleUploadedFile("m.png", b"\x89PNG\r\n\x1a\n")}, "This is a picture."),
    ],
)
def test_invalid_message_shows_reason(
    check: Check, owner: User, signed_in: SignIn, data: dict[str, Any], sentence: str
) -> None:
    answer = post(signed_in(owner), check, **data)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert not SubmittedMessage.objects.exists()


def test_invalid_message_remains_in_form(check: Check, owner: User, signed_in: SignIn) -> None:
    answer = post(signed_in(owner), check, source="Dear all,\nhello")

    assert "Dear all," in text_of(answer)


def test_oversized_message_shows_reason(
    check: Check, owner: User, signed_in: SignIn, settings: Settings
) -> None:
    settings.FILES_MAX_BYTES = 1_000

    answer = post(signed_in(owner), check, file=SimpleUploadedFile("m.eml", b"a" * 5_000))

    assert answer.status_code == 422
    assert "The message has more than 2 MB" in text_of(answer)


def test_viewer_sees_no_message_form(check: Check, viewer: User, signed_in: SignIn) -> None:
    shown = signed_in(viewer).get(page_of(check))

    assert shown.status_code == 200
    assert "<textarea" not in text_of(shown)


def test_other_check_kind_is_404(check: Check, owner: User, signed_in: SignIn) -> None:
    other = Check.objects.get(tenant=check.tenant, kind=CheckKind.OWNERSHIP)
    client = signed_in(owner)

    assert client.get(page_of(other)).status_code == 404
    assert post(client, other, source="From: a@b.test").status_code == 404


def test_task_and_drawer_link_to_message_page(check: Check, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    plan = reverse("onboarding:plan-show", args=[check.tenant.public_id])
    domains = reverse("onboarding:domains", args=[check.tenant.public_id])

    for address in (
        f"{plan}?phase=outbound-cutover-phase",
        f"{domains}?check={check.public_id}",
    ):
        assert f'href="{page_of(check)}"' in text_of(client.get(address))


def test_submitted_message_is_logged(check: Check, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    post(client, check, source=source().decode())

    line = ActivityLine.objects.get(tenant=check.tenant, action="test-message-submitted")
    assert (line.actor, line.params["domain"]) == (owner, "northwind.test")
    activity = client.get(reverse("onboarding:activity", args=[check.tenant.public_id]))
    assert "submitted a test message from <code>northwind.test</code>" in text_of(activity)


@pytest.mark.parametrize("count", [1, 3])
def test_message_page_query_count_is_constant(
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

    with django_assert_num_queries(10):
        client.get(page_of(check))


def test_hybrid_states_the_sending_platform(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    Tenant.objects.filter(pk=check.tenant_id).update(platform="hybrid")
    client, text = signed_in(owner), source().decode()

    refused = post(client, check, source=text)
    with django_capture_on_commit_callbacks(execute=True):
        post(client, check, source=text, sending_platform="on_premises")

    assert refused.context["form"].errors["sending_platform"] == [
        "Choose the platform that sent the message."
    ]
    assert refused.context["form"]["source"].value() == text
    (stored,) = check.messages.all()
    assert stored.sending_platform == "on_premises"
