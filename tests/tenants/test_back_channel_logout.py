"""Back-channel logout: tokens signed by a provider on loopback, and what they end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from tenants import back_channel_logout
from tenants.back_channel_logout import EVENT, LONGEST_AGE_SECONDS
from tenants.models import ActivityLine, OutboxMessage, ProviderGrant, Tenant, User
from tenants.single_sign_on import SESSION_OF_PROVIDER, CodeFlow, digest_of_sid
from tests.api.clients import client_for

CLIENT_ID = "gangway"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
URL = "/accounts/oidc/single-sign-on/logout/"
Post = Callable[..., Any]


class _Provider(BaseHTTPRequestHandler):
    """Publishes metadata and one key."""

    kid = "first"
    requests: list[str]

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        issuer = f"http://{self.headers['Host']}"
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        content: dict[str, Any] = {"keys": [key | {"kid": self.kid, "use": "sig", "alg": "RS256"}]}
        if self.path != "/keys":
            content = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """No output."""


@pytest.fixture
def provider() -> Iterator[type[_Provider]]:
    cache.clear()
    _Provider.kid, _Provider.requests = "first", []
    yield _Provider
    cache.clear()


@pytest.fixture
def issuer(provider: type[_Provider], settings: Any) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), provider) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        app = {
            "provider_id": "single-sign-on",
            "name": "Provider",
            "client_id": CLIENT_ID,
            "secret": "x",
            "settings": {"server_url": address},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
        yield address
        server.shutdown()


@pytest.fixture
def person(consultant: User) -> User:
    SocialAccount.objects.create(user=consultant, provider="single-sign-on", uid="42")
    return consultant


@pytest.fixture
def post(issuer: str, db: None) -> Post:
    """Post a logout token with these changes of the claims; None removes one."""

    def send(*, key: Any = KEY, kid: str = "first", typ: Any = "logout+jwt", **changes: Any) -> Any:
        now = int(timezone.now().timestamp())
        claims = {"iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "sub": "42"}
        claims |= {"jti": f"{now}-{id(changes)}-{len(_Provider.requests)}", "events": {EVENT: {}}}
        claims = {name: each for name, each in (claims | changes).items() if each is not None}
        algorithm = "RS256" if key in (KEY, OTHER_KEY) else "HS256" if key else "none"
        token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, "typ": typ})
        return Client(enforce_csrf_checks=True).post(URL, {"logout_token": token})

    return send


def is_in(browser: Client) -> bool:
    return browser.get("/accounts/sessions/").status_code == 200


def browser_of(person: User) -> Client:
    """A new browser with a session of the person."""
    browser = Client()
    browser.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return browser


def with_sid(browser: Client, person: User, sid: str) -> Client:
    """The session as single sign-on leaves it."""
    session = browser.session
    session[SESSION_OF_PROVIDER] = digest_of_sid(sid)
    session.save()
    request = RequestFactory().get("/")
    request.user, request.session = person, session
    UserSession.objects.create_from_request(request)
    UserSession.objects.filter(session_key=session.session_key).update(
        data={SESSION_OF_PROVIDER: digest_of_sid(sid)}
    )
    return browser


def test_subject_ends_all_sessions(post: Post, person: User) -> None:
    browsers = [browser_of(person), browser_of(person)]
    assert [is_in(each) for each in browsers] == [True, True]

    answer = post()

    assert (answer.status_code, answer.content) == (200, b"")
    assert "no-store" in answer["Cache-Control"]
    assert [is_in(each) for each in browsers] == [False, False]
    line = ActivityLine.objects.filter(action="signed-out").get()
    assert (line.actor, line.params["origin"]) == (person, "provider")


@pytest.mark.parametrize("claims", [{"sub": None, "sid": "one"}, {"sub": "42", "sid": "one"}])
def test_session_of_the_provider_ends_its_sessions_only(
    post: Post, person: User, claims: dict[str, Any]
) -> None:
    first = with_sid(browser_of(person), person, "one")
    second = with_sid(browser_of(person), person, "two")

    assert post(**claims).status_code == 200

    assert (is_in(first), is_in(second)) == (False, True)


@pytest.mark.parametrize(("subject", "remains"), [("42", False), (None, True)])
def test_session_of_unknown_origin_ends_with_its_person(
    post: Post, person: User, subject: str | None, remains: bool
) -> None:
    unknown = browser_of(person)
    request = RequestFactory().get("/")
    request.user, request.session = person, unknown.session
    UserSession.objects.create_from_request(request)
    other = with_sid(browser_of(person), person, "two")
    named = with_sid(browser_of(person), person, "one")

    assert post(sub=subject, sid="one").status_code == 200

    assert [is_in(each) for each in (named, unknown, other)] == [False, remains, True]


def test_log_names_no_sign_out_without_a_session(post: Post, person: User) -> None:
    other = with_sid(browser_of(person), person, "two")

    answers = [post(sid="one", jti="a").status_code, post(jti="b").status_code]

    assert (answers, is_in(other)) == ([200, 200], False)
    # The second token alone has ended a session.
    assert ActivityLine.objects.filter(action="signed-out").count() == 1


def test_limit_counts_refused_tokens_only(post: Post, person: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("tenants.throttle._parse", lambda rate: (2, 3600))

    valid = [post(jti=f"v{number}").status_code for number in range(4)]
    refused = [post(nonce="n", jti=f"r{number}").status_code for number in range(3)]

    assert valid == [200, 200, 200, 200]
    assert refused == [400, 400, 429]


def test_other_people_remain(post: Post, person: User, manager: User) -> None:
    browser = browser_of(manager)

    assert [post().status_code, post(sub="43", jti="x").status_code] == [200, 200]
    assert is_in(browser)


def test_sign_out_leaves_tokens_of_the_person(post: Post, person: User) -> None:
    api = client_for(person)

    post()

    assert api.get("me/").status_code == 200


def test_lost_groups_end_the_rights_at_once(
    post: Post,
    person: User,
    administrator: User,
    tenant: Tenant,
    settings: Any,
    monkeypatch: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """A person who left loses the role with the logout, and the API token with the role."""
    settings.OIDC_GROUP_ROLES = {"team": "consultant"}
    now = timezone.now() - timedelta(minutes=1)
    ProviderGrant.objects.create(user=person, refresh_token="x", read_at=now)
    monkeypatch.setattr("tenants.staff_groups.refresh_token_of", lambda grant: "refresh")
    monkeypatch.setattr(CodeFlow, "refreshed", lambda self, token: None)
    api = client_for(person)
    assert api.get(f"tenants/{tenant.public_id}/").status_code == 200

    with django_capture_on_commit_callbacks(execute=True):
        assert post().status_code == 200

    assert User.objects.get(pk=person.pk).staff_role == ""
    assert api.get(f"tenants/{tenant.public_id}/").status_code == 404
    assert not OutboxMessage.objects.exists()


REFUSED: dict[str, dict[str, Any]] = {
    "other issuer": {"iss": "https://evil.example"},
    "other audience": {"aud": "another-client"},
    "audience of others": {"aud": ["a", "b"]},
    "no issuer": {"iss": None},
    "no time": {"iat": None},
    "text as time": {"iat": "now"},
    "old": {"iat": int(timezone.now().timestamp()) - LONGEST_AGE_SECONDS - 120},
    "future": {"iat": int(timezone.now().timestamp()) + 3600},
    "expired": {"exp": int(timezone.now().timestamp()) - 120},
    "no expiry": {"exp": None},
    "no jti": {"jti": None},
    "no event": {"events": None},
    "ID token": {"events": None, "nonce": "n"},
    "other event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "event without object": {"events": {EVENT: "x"}},
    "list of events": {"events": [EVENT]},
    "nonce": {"nonce": "n"},
    "empty nonce": {"nonce": ""},
    "neither subject nor session": {"sub": None},
    "empty subject": {"sub": ""},
    "number as subject": {"sub": 42},
    "list as session": {"sid": ["one"]},
    "other key": {"key": OTHER_KEY},
    "unknown key": {"kid": "second"},
    "no signature": {"key": ""},
    "secret as key": {"key": "x" * 32},
    "access token": {"typ": "at+jwt"},
    "number as type": {"typ": 7},
}


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_token_ends_nothing(post: Post, person: User, name: str) -> None:
    browser = browser_of(person)

    answer = post(**REFUSED[name])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "no-store" in answer["Cache-Control"]
    assert is_in(browser)
    assert not ActivityLine.objects.filter(action="signed-out").exists()


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "x" * 100_000])
def test_text_that_is_no_token_is_refused(issuer: str, db: None, token: str) -> None:
    answer = Client().post(URL, {"logout_token": token})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert _Provider.requests == []


def test_token_works_once(
    post: Post, person: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert post(jti="one").status_code == 200
    browser = browser_of(User.objects.get(pk=person.pk))

    again = post(jti="one")

    assert (again.status_code, is_in(browser)) == (400, True)


def test_token_works_again_after_a_fault(post: Post, person: User, monkeypatch: Any) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(back_channel_logout, "end_sessions", fail)
        with pytest.raises(ZeroDivisionError):
            post(jti="one")

    assert post(jti="one").status_code == 200


def test_token_is_used_from_its_commit_on(post: Post, person: User) -> None:
    """A worker that dies before the commit has ended no session: the provider repeats the token."""
    assert post(jti="one").status_code == 200

    # The transaction of the test is not committed.
    assert post(jti="one").status_code == 200


def test_false_tokens_cause_few_requests(post: Post, person: User) -> None:
    """A stranger must not reach the provider through Gangway as often as they like."""
    for number in range(10):
        post(key=OTHER_KEY, jti=f"a{number}")
        post(key=OTHER_KEY, kid=f"k{number}", jti=f"b{number}")
        post(iss="https://evil.example", jti=f"c{number}")

    assert len(_Provider.requests) <= 4


def test_new_key_of_the_provider_is_read(post: Post, person: User) -> None:
    assert post(jti="one").status_code == 200
    _Provider.kid = "second"

    assert post(jti="two", kid="second").status_code == 200


def test_silent_provider_is_a_temporary_error(
    post: Post, person: User, settings: Any, monkeypatch: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = (
        "http://127.0.0.1:1"
    )

    assert post(iss="http://127.0.0.1:1").status_code == 503


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_other_methods(issuer: str, db: None, method: str) -> None:
    assert getattr(Client(), method)(URL).status_code == 405


def test_without_a_provider_there_is_no_address(client: Client, db: None, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": []}}

    assert client.post(URL, {"logout_token": "x"}).status_code == 404
    assert reverse("openid_connect_back_channel_logout", args=["single-sign-on"]) == URL
