"""API requests that wait for a settled verdict, in the real stream process."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from checks.models import Check
from tenants import api_tokens
from tenants.models import Membership, Tenant, User
from tests.api.clients import ApiClient, client_for, token_of
from tests.live import HOST, LiveProcess

pytestmark = [pytest.mark.interop, pytest.mark.django_db(transaction=True)]
WAITERS = 200


@pytest.fixture
def check(tenant: Tenant) -> Check:
    """A check with a settled verdict and an outstanding run."""
    found = Check.objects.filter(tenant=tenant, kind="spf")
    found.update(settled_verdict="pass", next_due_at=timezone.now())
    return found.get()


def _address(check: Check, timeout: int) -> str:
    base = f"/live/api/v1/tenants/{check.tenant.public_id}/checks/{check.public_id}/"
    return f"{base}?wait_for=settled&timeout={timeout}"


def _get(process: LiveProcess, path: str, token: str) -> tuple[int, Any]:
    connected = HTTPConnection(HOST, process.port, timeout=60)
    with contextlib.closing(connected):
        connected.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connected.getresponse()
        return response.status, json.loads(response.read())


def _finish_run(check: Check, verdict: str = "pass") -> None:
    """The run ends with the same verdict, so that no revision changes; or with another."""
    later = timezone.now() + timedelta(minutes=5)
    Check.objects.filter(pk=check.pk).update(settled_verdict=verdict, next_due_at=later)
    if verdict != check.settled_verdict:
        check.tenant.plan.touch()


@contextlib.contextmanager
def _waiting(process: LiveProcess, check: Check, api: ApiClient, timeout: int = 20) -> Any:
    with ThreadPoolExecutor(1) as pool:
        answer: Future[tuple[int, Any]] = pool.submit(
            _get, process, _address(check, timeout), api.token
        )
        time.sleep(1.5)
        assert not answer.done()
        yield answer


@pytest.mark.parametrize(("verdict", "within"), [("fail", 1.0), ("pass", 3.0)])
def test_answer_follows_the_verdict(
    live_process: LiveProcess, check: Check, viewer: User, verdict: str, within: float
) -> None:
    with _waiting(live_process, check, client_for(viewer, "read")) as answer:
        began = time.monotonic()
        _finish_run(check, verdict)
        status, body = answer.result(10)

    assert (status, body["verdict"]) == (200, verdict)
    assert time.monotonic() - began < within


def test_wait_ends_with_the_present_state(
    live_process: LiveProcess, check: Check, viewer: User
) -> None:
    began = time.monotonic()

    status, body = _get(live_process, _address(check, 2), client_for(viewer, "read").token)

    assert (status, body["verdict"]) == (200, "pass")
    assert 2 <= time.monotonic() - began < 5


def test_token_revoked_during_the_wait(
    live_process: LiveProcess, check: Check, viewer: User
) -> None:
    api = client_for(viewer, "read")
    with _waiting(live_process, check, api, timeout=4) as answer:
        api_tokens.revoke(token_of(api), by=viewer)
        status, body = answer.result(10)

    assert (status, body["code"]) == (401, "invalid-token")


def test_other_tenant_is_not_found(live_process: LiveProcess, check: Check, outsider: User) -> None:
    status, _ = _get(live_process, _address(check, 20), client_for(outsider, "read").token)

    assert status == 404


def _token_of_new_person(tenant: Tenant, number: int) -> str:
    user = User.objects.create_user(f"p{number}@northwind.test", "pw", name=f"P {number}")
    Membership.objects.create(tenant=tenant, user=user, role="viewer")
    return client_for(user, "read").token


def test_waiting_requests_occupy_no_thread(
    live_process: LiveProcess, check: Check, tenant: Tenant
) -> None:
    """With 200 waiting requests the process answers others at once, and then all of them."""
    most = settings.LIVE_MAX_STREAMS_PER_PERSON
    tokens = [_token_of_new_person(tenant, number) for number in range(WAITERS // most)]
    answers: list[tuple[int, Any]] = []

    def wait_once(token: str) -> None:
        answers.append(_get(live_process, _address(check, 45), token))

    threads = [
        threading.Thread(target=wait_once, args=(token,)) for token in tokens for _ in range(most)
    ]
    for thread in threads:
        thread.start()
    time.sleep(6)
    began = time.monotonic()
    _get(live_process, _address(check, 0), tokens[0])
    assert time.monotonic() - began < 2
    assert answers == []

    _finish_run(check, "fail")
    for thread in threads:
        thread.join(30)

    assert [status for status, _ in answers] == [200] * WAITERS
    assert {body["verdict"] for _, body in answers} == {"fail"}
