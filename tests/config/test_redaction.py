"""No log line and no error page contains a secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path, reverse

from config.redaction import RedactingExceptionReporter, RedactingFormatter, redact
from config.urls import urlpatterns as ours
from tenants.models import User
from tenants.tokens import LinkPurpose, issue_token
from tenants.webhooks.secrets import new_secret
from tests.tenants.sign_in import GOOD_PASSWORD, request_code, sign_in

# In parts, because error pages show the lines of source around the fault.
SECRET = "-".join(["hunter2", "and", "more", "parts"])


def broken(request: HttpRequest) -> HttpResponse:
    password = request.POST.get("password", "")
    raise RuntimeError(f"cannot accept password={password} of {request.headers.get('cookie')}")


urlpatterns = [path("broken/", broken), *ours]


@pytest.fixture
def log() -> Iterator[StringIO]:
    """The root logger's lines as the product's handler writes them."""
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"password={SECRET}", "password=[hidden]"),
        (f"{{'password': '{SECRET}', 'login': 'jo'}}", "{'password': '[hidden]', 'login': 'jo'}"),
        (f"<QueryDict: {{'code': ['{SECRET}']}}>", "<QueryDict: {'code': ['[hidden]']}>"),
        (f"Cookie: sessionid={SECRET}; csrftoken=x", "Cookie: [hidden]"),
        (f"Authorization: Bearer {SECRET}", "Authorization: [hidden]"),
        (f'{{"access_token": "{SECRET}"}}', '{"access_token": "[hidden]"}'),
        (f"GET /login/?next=/%3Ftoken%3D{SECRET}", "GET /login/?next=/%3Ftoken%3D[hidden]"),
        (f"?next=/callback%3Fcode%3D{SECRET}%26x", "?next=/callback%3Fcode%3D[hidden]%26x"),
        (
            "?next=%2Finvitations%2FZk3cD9fGh4jK5lM6nO7pQ8rS9tU0vW1x%2F",
            "?next=%2Finvitations%2F[hidden]%2F",
        ),
        (f"redis://:{SECRET}@redis:6379/0", "redis://[hidden]@redis:6379/0"),
        (
            "Not Found: /accounts/password/reset/key/1-cz2k1p-0b8d0f9c2e4a6b8c0d2e4f6a8b0c2d4e/",
            "Not Found: /accounts/password/reset/key/[hidden]/",
        ),
        ("Not Found: /t/kX3pQ9sW_a1Bc2D3/domains/", "Not Found: /t/kX3pQ9sW_a1Bc2D3/domains/"),
        ("check 17 of northwind.test: verdict pass", "check 17 of northwind.test: verdict pass"),
        ("reply code: 550 from the host", "reply code: 550 from the host"),
    ],
)  # fmt: skip
def test_redact_hides_secrets_only(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_traceback_is_redacted(log: StringIO) -> None:
    try:
        raise ValueError(f"token={SECRET}")
    except ValueError:
        logging.getLogger("library").exception("could not")

    assert "token=[hidden]" in log.getvalue()
    assert SECRET not in log.getvalue()


@pytest.mark.urls(__name__)
def test_error_page_and_log_have_no_secret(log: StringIO, db: None) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = SECRET

    response = client.post("/broken/", {"password": SECRET})

    assert response.status_code in (302, 500)
    assert SECRET not in response.content.decode() + log.getvalue()


@pytest.mark.parametrize("debug", [True, False])
def test_error_report_has_no_secret(settings: Any, debug: bool) -> None:
    settings.ROOT_URLCONF = __name__
    settings.DEBUG = debug
    request = RequestFactory().post(
        "/broken/", {"password": SECRET}, headers={"authorization": f"Bearer {SECRET}"}
    )
    request.COOKIES["sessionid"] = SECRET
    try:
        broken(request)
    except RuntimeError as error:
        reporter = RedactingExceptionReporter(request, type(error), error, error.__traceback__)

    report = reporter.get_traceback_html() + reporter.get_traceback_text()

    assert "RuntimeError" in report
    assert SECRET not in report


@pytest.mark.usefixtures("immediate_outbox")
def test_sign_in_logs_no_secret(log: StringIO, client: Client, db: None) -> None:
    person = User.objects.create_user("client@northwind.test", GOOD_PASSWORD, name="Jo")

    sign_in(client, person.email, SECRET)
    request_code(client, person.email)
    client.post(reverse("account_confirm_login_code"), {"code": SECRET})
    sign_in(client, person.email)

    keys = [cookie.value for cookie in client.cookies.values()]
    found = [text for text in (SECRET, GOOD_PASSWORD, *keys) if text in log.getvalue()]
    assert (found, bool(log.getvalue())) == ([], True)


def test_webhook_secrets_are_hidden(log: StringIO) -> None:
    for _ in range(20):
        secret = new_secret()
        logging.getLogger("library").warning("signed with %s", secret)

        assert secret.removeprefix("whsec_") not in log.getvalue()


@pytest.mark.parametrize(
    "target",
    [
        "https://hooks.slack.com/services/T0001/B0002/" + "x1" * 12,
        "https://contoso.webhook.office.com/webhookb2/" + "y2" * 8 + "@z/IncomingWebhook/q3",
        "https://prod-1.westus.logic.azure.com:443/workflows/ab12/triggers?sig=" + "c4" * 8,
    ],
)
def test_webhook_targets_are_hidden(target: str) -> None:
    secret = target.split("/", 3)[3]

    shown = redact(f"no answer from {target} status 500")

    assert (secret in shown, "[hidden] status 500" in shown) == (False, True)


def test_link_tokens_are_hidden() -> None:
    for purpose in LinkPurpose:
        token = issue_token(purpose).token

        assert redact(f"Not Found: /links/{token}/") == "Not Found: /links/[hidden]/"
