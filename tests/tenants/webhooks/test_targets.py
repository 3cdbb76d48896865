"""Hostile targets: private addresses, rebinding, redirects, slow and endless answers."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from tenants.models import Tenant, User, Webhook, WebhookDelivery, WebhookEvent, WebhookMessage
from tenants.webhooks import delivery, targets
from tenants.webhooks.events import add_event
from tenants.webhooks.services import NewWebhook, WebhookError, create_webhook
from tests import conftest
from tests.factories import MakeTenant
from tests.receivers import receiving, status, webhook_for
from tests.tenants.test_provider_session import SPELLINGS


def post(address: str) -> targets.Answer:
    return targets.post(address, b"{}", {}, may_be_internal=False)


@pytest.fixture
def real_rules(receivers_are_public: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of an installation. The receivers are private addresses again."""
    monkeypatch.setattr(targets, "SCHEMES", ("https",))
    monkeypatch.setattr(targets, "PORTS", (443, 8443))
    settings.PUBLIC_ADDRESS_TEST = "checks.engine.addresses.is_public_text"
    settings.WEBHOOK_INTERNAL_HOSTS = []


@pytest.mark.parametrize("host", SPELLINGS)
def test_private_address_is_refused(
    host: str, monkeypatch: pytest.MonkeyPatch, real_rules: None
) -> None:
    # The real function: the one of the tests refuses some spellings earlier.
    monkeypatch.setattr(socket, "getaddrinfo", conftest._getaddrinfo)

    with pytest.raises(targets.TargetError, match="no public address"):
        post(f"https://{host}/hooks")


def test_checked_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second resolution returns loopback."""
    answers = iter(["203.0.114.9", "127.0.0.1"])
    attempts = []

    def resolve(host: str, port: int, *args: Any, **options: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], **options: Any) -> socket.socket:
        attempts.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(targets.TargetError, match="refused"):
        post("https://rebinding.example/")

    assert attempts == [("203.0.114.9", 443)]


def test_mixed_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, *args: Any, **options: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("203.0.114.9", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    with pytest.raises(targets.TargetError, match="no public address"):
        post("https://mixed.example/")


def test_hanging_resolver_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: time.sleep(0.5))

    with pytest.raises(targets.TargetError, match="not resolved in time"):
        post("https://slow.example/")


def test_redirect_is_not_followed() -> None:
    with receiving() as inner, receiving(status(302, Location=inner.address)) as outer:
        answer = post(outer.address)

    assert (answer.status, len(outer.requests), len(inner.requests)) == (302, 1, 0)


def _dribble_body(request: Any, handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def _dribble_head(request: Any, handler: Any) -> None:
    for _ in range(100):
        handler.wfile.write(b"H")
        time.sleep(0.05)


def _hang(request: Any, handler: Any) -> None:
    time.sleep(3)


@pytest.mark.parametrize("answer", [_hang, _dribble_head])
def test_time_is_bounded(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "TOTAL_SECONDS", 0.4)
    began = time.monotonic()

    with receiving(answer) as receiver, pytest.raises(targets.TargetError, match=r"within 0\.4"):
        post(receiver.address)

    assert time.monotonic() - began < 4


def test_slow_body_counts_as_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status has arrived. Only the part of the body that has arrived is read."""
    began = time.monotonic()
    with receiving(_dribble_body) as receiver:
        answer = post(receiver.address)
        duration = time.monotonic() - began

    assert (answer.status, answer.text, duration < 2) == (200, "", True)


def test_size_is_bounded() -> None:
    with receiving(status(500, "x" * 5_000_000)) as receiver:
        answer = post(receiver.address)

    assert answer.text == "x" * targets.LOGGED_CHARACTERS


NOT_PUBLIC = "Enter the address of a server with a public IP address."
PRIVATE = (
    *("10.0.0.1", "169.254.169.254", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"),
    *("[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]"),
)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("https://desk.example/hooks", ""),
        ("https://desk.example:8443/", ""),
        ("http://127.0.0.1:9/", "Enter an address that starts with https."),
        ("http://desk.example/", "Enter an address that starts with https."),
        ("https://desk.example:25/", "Enter an address with the port 443 or 8443."),
        ("https://jo:pw@desk.example/", "Enter an address without a user name and a password."),
        ("desk.example", "Enter a complete address, such as https://desk.example/hooks."),
        ("file:///etc/passwd", "Enter a complete address, such as https://desk.example/hooks."),
        ("https://[::1", "Enter a complete address, such as https://desk.example/hooks."),
        *((f"https://{host}/", NOT_PUBLIC) for host in PRIVATE),
        ("https://8.8.8.8/", ""),
    ],
)
@pytest.mark.parametrize("may_be_internal", [True, False])
def test_refused_addresses(
    address: str, sentence: str, real_rules: None, *, may_be_internal: bool
) -> None:
    assert targets.why_not_target(address, may_be_internal=may_be_internal) == sentence


@pytest.mark.parametrize(
    ("address", "is_internal"),
    [
        ("https://desk.internal:9443/x", True),
        ("https://DESK.internal:9443/x", True),
        ("http://plain.internal:8080/", True),
        ("https://[fd00::1]:9443/", True),
        # Another port or scheme of the same host.
        ("https://desk.internal:5432/", False),
        ("http://desk.internal:9443/", False),
        ("http://plain.internal/", False),
        ("https://plain.internal:8080/", False),
        ("http://other.internal:8080/", False),
        ("http://jo:pw@plain.internal:8080/", False),
    ],
)
def test_internal_target_has_one_scheme_and_port(
    address: str, real_rules: None, settings: Any, monkeypatch: Any, *, is_internal: bool
) -> None:
    monkeypatch.setenv("HOSTS", "desk.internal:9443, http://plain.internal:8080, [fd00::1]:9443")
    settings.WEBHOOK_INTERNAL_HOSTS = env.targets("HOSTS")

    assert (targets.why_not_target(address, may_be_internal=True) == "") == is_internal
    assert targets.why_not_target(address, may_be_internal=False) != ""


def test_internal_target_is_for_webhooks_of_all_tenants(
    tenant: Tenant, owner: User, administrator: User, real_rules: None, settings: Any
) -> None:
    with receiving(status(200, "internal answer")) as receiver:
        settings.WEBHOOK_INTERNAL_HOSTS = [env.origin_of(receiver.address)]
        for by in (owner, administrator):
            with pytest.raises(WebhookError, match="starts with https"):
                webhook_for(receiver, tenant, by)
        webhook, _ = webhook_for(receiver, None, administrator)
        add_event(WebhookEvent.DRIFT_BEGAN, tenant)
        delivery.deliver(webhook.pk)
        # A webhook of the tenant that was stored under an earlier rule.
        Webhook.objects.filter(pk=webhook.pk).update(tenant=tenant)
        add_event(WebhookEvent.DRIFT_ENDED, tenant)
        delivery.deliver(webhook.pk)

    made = WebhookDelivery.objects.order_by("pk")
    assert [(each.status_code, each.response) for each in made] == [
        (200, "internal answer"),
        (None, ""),
    ]
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "entry",
    ["desk.internal", "desk.internal:", "ftp://desk.internal:21", "desk.internal:9/x", "[:9"],
)
def test_incomplete_internal_target_is_refused_at_start(
    entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTS", entry)

    with pytest.raises(ImproperlyConfigured, match="write host:port"):
        env.targets("HOSTS")


def test_refused_address_creates_nothing(tenant: Tenant, owner: User, real_rules: None) -> None:
    entry = NewWebhook("x", "http://desk.example/", "json", ["drift.began"])
    with pytest.raises(WebhookError):
        create_webhook(tenant, entry, site="", by=owner)

    assert not Webhook.objects.exists()


def test_unreachable_target_is_logged(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
    add_event(WebhookEvent.DRIFT_BEGAN, tenant)

    delivery.deliver(webhook.pk)

    (made,) = WebhookDelivery.objects.all()
    assert (made.status_code, made.error) == (None, "The target refused the connection.")


def test_hanging_target_rests(
    make_tenant: MakeTenant, tenant: Tenant, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt for each turn, although messages of two tenants are due."""
    monkeypatch.setattr(targets, "TOTAL_SECONDS", 0.2)
    other = make_tenant("Other", (("other.test", "primary"),))
    with receiving(_hang) as receiver:
        webhook, _ = webhook_for(receiver, None, administrator)
        for each in (tenant, other):
            add_event(WebhookEvent.DRIFT_BEGAN, each)

        delivery.deliver(webhook.pk)
        delivery.deliver(webhook.pk)

    assert len(receiver.requests) == 1
    assert WebhookMessage.objects.filter(status="waiting").count() == 2


def test_retry_after_is_respected(tenant: Tenant, owner: User) -> None:
    with receiving(status(429, Retry_After="120")) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add_event(WebhookEvent.DRIFT_BEGAN, tenant)
        delivery.deliver(webhook.pk)

    message = WebhookMessage.objects.get()
    assert 119 <= (message.due_at - message.created_at).total_seconds() < 130


def test_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target with TLS, before and after its authority is trusted."""
    certificate = tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=target -addext"
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)]
    subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    with receiving(tls=context) as receiver:
        address = receiver.address.replace("http:", "https:")
        with pytest.raises(targets.TargetError, match="certificate of the target is not valid"):
            post(address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        assert post(address).status == 204


def test_silent_tls_target_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "TOTAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(targets.TargetError, match=r"within 0\.3"):
            post(f"https://127.0.0.1:{port}/")
