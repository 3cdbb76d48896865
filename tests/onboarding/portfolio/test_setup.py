"""The first run: each step shows the present state, and only required steps block the end."""

from __future__ import annotations

import importlib
from datetime import timedelta
from smtplib import SMTPAuthenticationError
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from onboarding.portfolio.region_table import region_rows
from onboarding.portfolio.setup_steps import checklist
from tenants.installation_setup import decisions, mail_tests
from tenants.models import ActivityLine, MailTest, OutboxMessage, SetupDecision, Tenant, User
from tenants.region_values import LABELS
from tenants.regions import load_regions
from tests.factories import SignIn
from tests.markup import texts

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def _open_steps() -> list[str]:
    return [step.key for step in checklist().steps if not step.is_done]


def _give_factor(person: User) -> None:
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={})


def _accept_mail(by: User) -> None:
    test = mail_tests.request_mail_test(by=by, site="https://gangway.example")
    MailTest.objects.filter(pk=test.pk).update(accepted_at=timezone.now())


def _complete(administrator: User) -> None:
    _give_factor(administrator)
    _accept_mail(administrator)
    decisions.review_regions(decisions.compiled_on(), by=administrator)
    Tenant.objects.create(name="First", region="us")


def test_empty_installation_has_open_steps(administrator: User) -> None:
    assert _open_steps() == ["second-factor", "mail", "regions", "colleagues", "tenant"]


def test_colleagues_are_optional(administrator: User) -> None:
    _complete(administrator)

    assert _open_steps() == ["colleagues"]
    assert checklist().is_complete


@pytest.mark.parametrize("step", ["second-factor", "mail", "regions", "tenant"])
def test_required_step_reopens(administrator: User, step: str) -> None:
    _complete(administrator)

    match step:
        case "second-factor":
            Authenticator.objects.all().delete()
        case "mail":
            MailTest.objects.update(mail_settings="other:25")
        case "regions":
            SetupDecision.objects.filter(kind="regions").update(subject="2025-01-01")
        case _:
            Tenant.objects.all().delete()

    assert _open_steps() == [*sorted({step, "colleagues"}, key=_position)]
    assert not checklist().is_complete


def _position(key: str) -> int:
    return [step.key for step in checklist().steps].index(key)


def test_every_administrator_needs_a_factor(administrator: User) -> None:
    _give_factor(administrator)
    second = User.objects.create_superuser("second@gangway.test", "pw", name="Second")

    found = checklist()

    assert found.without_factor == [second]
    assert (found.colleagues, "second-factor" in _open_steps()) == (1, True)


def test_deactivated_colleague_does_not_count(administrator: User, consultant: User) -> None:
    assert "colleagues" not in _open_steps()

    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert "colleagues" in _open_steps()


@pytest.mark.usefixtures("immediate_outbox")
def test_worker_sends_the_test_message(
    administrator: User, signed_in: SignIn, settings: Any
) -> None:
    settings.SITE_URL = "https://gangway.example"

    response = signed_in(administrator).post(reverse("onboarding:setup-mail-test"))

    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["administrator@gangway.test"], "Test e-mail from Gangway")
    assert "https://gangway.example/setup/" in str(sent.body)
    assert response["Location"] == "/setup/#mail"
    html = _page(signed_in(administrator))
    assert "The mail server accepted the message to administrator@gangway.test" in html
    assert "mail" not in _open_steps()


def _page(client: Any) -> str:
    return " ".join(client.get(reverse("onboarding:setup")).content.decode().split())


def test_request_does_not_send(administrator: User, signed_in: SignIn) -> None:
    signed_in(administrator).post(reverse("onboarding:setup-mail-test"))

    assert mail.outbox == []
    assert "A worker is sending the message" in _page(signed_in(administrator))
    assert 'hx-trigger="load delay:2s"' in _page(signed_in(administrator))


def test_failed_attempt_shows_the_error(
    administrator: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch, immediate_outbox: None
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SMTPAuthenticationError(535, b"who are you, administrator@gangway.test")

    monkeypatch.setattr("tenants.tasks.send", refuse)

    signed_in(administrator).post(reverse("onboarding:setup-mail-test"))

    html = _page(signed_in(administrator))
    assert "Attempt 1 failed: <code>SMTPAuthenticationError 535</code>" in html
    assert "who are you" not in html
    assert "mail" in _open_steps()


def test_message_without_worker_is_explained(administrator: User, signed_in: SignIn) -> None:
    mail_tests.request_mail_test(by=administrator, site="")
    MailTest.objects.update(requested_at=timezone.now() - timedelta(seconds=31))

    assert "No worker has sent the message yet." in _page(signed_in(administrator))


def test_ended_message_stops_the_polling(administrator: User, signed_in: SignIn) -> None:
    mail_tests.request_mail_test(by=administrator, site="")
    OutboxMessage.objects.update(ended_at=timezone.now(), last_error="TimeoutError", attempts=4)

    html = _page(signed_in(administrator))

    assert "The message was not sent: " in html
    assert ">TimeoutError</code>" in html
    assert "hx-trigger" not in html.partition('id="setup"')[2].partition(">")[0]


def test_newer_test_replaces_the_former(administrator: User, immediate_outbox: None) -> None:
    first = mail_tests.request_mail_test(by=administrator, site="")
    second = mail_tests.request_mail_test(by=administrator, site="")

    assert list(MailTest.objects.values_list("public_id", flat=True)) == [second.public_id]
    assert first.public_id != second.public_id


def test_files_are_a_caution(administrator: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    _accept_mail(administrator)

    (step,) = [each for each in checklist().steps if each.key == "mail"]

    assert (step.is_done, step.shape) == (True, "caution")


@pytest.mark.parametrize("changed", ["EMAIL_HOST", "EMAIL_HOST_USER", "DEFAULT_FROM_EMAIL"])
def test_changed_settings_need_another_test(
    administrator: User, settings: Any, changed: str
) -> None:
    settings.EMAIL_BACKEND = SMTP
    _accept_mail(administrator)
    assert "mail" not in _open_steps()

    setattr(settings, changed, "other.example")

    assert "mail" in _open_steps()


def test_password_is_not_in_the_settings(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST_PASSWORD = SMTP, "secret-password"

    assert "secret-password" not in mail_tests.mail_settings()


def test_review_is_of_the_shown_values(administrator: User, signed_in: SignIn) -> None:
    client = signed_in(administrator)

    client.post(reverse("onboarding:setup-regions"), {"compiled": "2020-01-01"})
    assert "regions" in _open_steps()
    client.post(reverse("onboarding:setup-regions"), {"compiled": decisions.compiled_on()})

    assert "regions" not in _open_steps()
    (line,) = ActivityLine.objects.filter(action="regions-reviewed")
    assert (line.actor, line.params) == (administrator, {"compiled": decisions.compiled_on()})


def test_region_table_counts_each_field() -> None:
    for row in region_rows():
        labels = {value.label for value in row.values}
        assert row.known + row.gaps == len(labels)
        assert {value.label for value in row.values if value.shape == "caution"} == {
            LABELS[name] for name in row.region.low_confidence
        }
        assert row.low == len(row.region.low_confidence)
    assert [row.region.id for row in region_rows()] == list(load_regions())


def test_region_table_has_the_date_of_each_value() -> None:
    for row in region_rows():
        for name, label in LABELS.items():
            value, fact = getattr(row.region, name), row.region.facts[name]
            shown = {
                (text, each.as_of)
                for each in row.values
                if each.label == label
                for text in each.text.split(", ")
            }
            texts_of = value if isinstance(value, tuple) else (value,)
            assert shown == {
                (text, fact.of(text).as_of if text else "") for text in texts_of or ("",)
            }


def test_finish_needs_the_required_steps(administrator: User, signed_in: SignIn) -> None:
    client = signed_in(administrator)

    client.post(reverse("onboarding:setup-finish"))
    assert not decisions.is_finished()
    _complete(administrator)
    client.post(reverse("onboarding:setup-finish"))

    assert decisions.is_finished()


def test_migration_renames_the_decision() -> None:
    migration = importlib.import_module("tenants.migrations.0027_setup_finished")
    SetupDecision.objects.create(kind="dismissed")

    migration.rename_to_finished(apps, None)
    assert decisions.is_finished()
    migration.rename_to_dismissed(apps, None)

    assert list(SetupDecision.objects.values_list("kind", flat=True)) == ["dismissed"]


def test_home_of_administrators(administrator: User, signed_in: SignIn) -> None:
    home = reverse("onboarding:home")

    assert signed_in(administrator).get(home)["Location"] == reverse("onboarding:setup")
    decisions.finish(by=administrator)
    assert signed_in(administrator).get(home)["Location"] == reverse("onboarding:tenant-list")


def test_only_the_next_step_is_the_main_action(administrator: User, signed_in: SignIn) -> None:
    _give_factor(administrator)
    html = _page(signed_in(administrator))

    steps = html.partition('id="setup"')[2]
    assert steps.count('data-kind="main"') == 1
    assert 'id="mail" aria-current="step"' in steps


@pytest.mark.parametrize(
    ("role", "address", "heading", "action"),
    [
        ("consultant", "desk", "No tenants yet", "Create the first tenant"),
        ("administrator", "desk", "No tenants yet", "Set up Gangway"),
        ("administrator", "tenant-list", "No tenants yet", "Set up Gangway"),
        ("consultant", "tenant-list", "No tenants yet", "Import tenants"),
        ("manager", "tenant-list", "No tenants yet", "Ask a consultant"),
        ("manager", "dashboard", "No tenants yet", "Ask a consultant"),
        ("consultant", "dashboard", "No tenants yet", "Create the first tenant"),
    ],
)
def test_empty_page_names_the_next_action(
    role: str, address: str, heading: str, action: str, signed_in: SignIn
) -> None:
    person = User.objects.create_user("p@gangway.test", "pw", name="P", staff_role=role)

    response = signed_in(person).get(reverse(f"onboarding:{address}"))

    html = response.content.decode()
    assert heading in [*texts(html, "h2"), *texts(html, "h3")]
    assert action in html.partition(heading)[2].partition("</section>")[0]


def test_desk_without_own_tenants(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    html = signed_in(consultant).get(reverse("onboarding:desk")).content.decode()

    assert "You lead no tenant yet" in texts(html, "h3")
