"""No log line and no error page contains a secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import jwt
import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path, reverse
from django.utils import timezone

from config.redaction import RedactingExceptionReporter, RedactingFormatter, redact
from config.urls import urlpatterns as ours
from tenants import api_tokens, provisioning_tokens
from tenants.installation_setup.administrators import new_token
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


# The formats of authorisation codes, by provider. The characters are those of real codes.
CODES = {
    "Microsoft Entra": "0.AVYAfVxyQ2b3.AgABAAIAAAD-DLA3VO7QrddgJg7WevrAgDs_wUA9P.x~b",
    "Microsoft personal account": "M.R3_BAY.c0ff2e1d-77aa-4b!*s$",
    "Google": "4%2F0AY0e-g7xQ1Zk3mN9pR",
    "Google, decoded": "4/0AY0e-g7xQ1Zk3mN9pR",
    "Okta": "P5I7mdxxdv13_JfXrCSq",
    "Keycloak": "0b4d9a7e-13aa.9be1f2c4-7d10.5f0c2a18-55e2",
    "AD FS": "kT4-PZ.nBc2fQ9Lr0G7%2BxY%3D%3D",
    "Gangway": "K7QW2F",
}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@pytest.mark.parametrize(
    "line",
    [
        '"GET /accounts/oidc/sso/login/callback/?code={}&state=s1 HTTP/1.1" 302',
        '"GET /accounts/oidc/sso/login/callback/?state=s1&code={} HTTP/1.1" 302',
        "<QueryDict: {{'code': ['{}'], 'scope': ['openid']}}>",
    ],
)
def test_sign_in_codes_are_hidden(line: str, code: str) -> None:
    assert redact(line.format(code)) == line.format("[hidden]")


@pytest.mark.parametrize(
    "line",
    [
        "reply code=550, from the host",
        "code: 421",
        "{'code': 554}",
        '{"code": "250"}',
        "GET /?code=550&x=1",
        "postcode=EC1A1BB",
    ],
)
def test_other_codes_remain(line: str) -> None:
    assert redact(line) == line


PLACES = [
    "{}",
    "Bearer {}",
    "sent {}, refused",
    "GET /x/{}&next=1",
    "GET /?api_token={}&next=1",
    "?next=%2Fx%3Flogout_token%3D{}%26next",
    "id_token_hint={}",
    "client_assertion={}&x",
    "{{'refresh_token': '{}'}}",
    '{{"assertion":"{}"}}',
]


def tokens_of_every_kind(by: User) -> dict[str, str]:
    """A token of each kind that the product issues or receives, with the name of the kind."""
    until = timezone.now() + timedelta(days=1)
    signed = jwt.encode({"sub": "jo", "events": {}}, "k" * 32, "HS256")
    return {
        "API token": api_tokens.issue(owner=by, name="a", scope="read", expires_at=until)[1],
        "SCIM token": provisioning_tokens.issue(by=by)[1],
        "webhook secret": new_secret(),
        "token of a provider": signed,
    }


@pytest.mark.parametrize("place", PLACES)
def test_tokens_of_every_kind_are_hidden(place: str, db: None) -> None:
    by = User.objects.create_user("a@gangway.test", "pw", name="A", staff_role="administrator")

    shown = {kind: redact(place.format(token)) for kind, token in tokens_of_every_kind(by).items()}

    assert set(shown.values()) == {place.format("[hidden]")}, shown


def test_links_of_every_kind_are_hidden(db: None) -> None:
    """The secret is a segment, followed by any character that can follow a value."""
    person = User.objects.create_user("a@gangway.test", "pw", name="A")
    secrets = [issue_token(purpose).token for purpose in LinkPurpose]
    secrets.append(new_token())
    secrets.append(f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}")

    left = [
        (secret, end)
        for secret in secrets
        for end in ("/", "&x=1", " HTTP/1.1", "'", ")", ",", ";", "#top", "?a", "%2F", "")
        if redact(f"GET /x/{secret}{end}") != f"GET /x/[hidden]{end}"
    ]

    assert left == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://gw:a/b:c@d@db:5432/gw", "postgres://[hidden]@db:5432/gw"),
        ("postgresql://gw:12345/x@db/gw", "postgresql://[hidden]@db/gw"),
        ("'redis://:p/w@redis:6379/0'", "'redis://[hidden]@redis:6379/0'"),
        ("https://gw.test:8443/people/jo@d.test/", "https://gw.test:8443/people/jo@d.test/"),
        ("https://jo:secret@gw.test/", "https://[hidden]@gw.test/"),
        ("{'password': 'a,b c&d'}", "{'password': '[hidden]'}"),
    ],
)
def test_passwords_with_any_character_are_hidden(text: str, expected: str) -> None:
    assert redact(text) == expected
