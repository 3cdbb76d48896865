"""Requests that wait for a settled verdict, as a web worker answers them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.models import Check
from tenants.models import Tenant
from tenants.streams import WaitResponse
from tests.api.clients import ApiClient


@pytest.fixture
def check(tenant: Tenant) -> Check:
    found = Check.objects.filter(tenant=tenant, kind="spf")
    later = timezone.now() + timedelta(minutes=5)
    found.update(settled_verdict="pass", next_due_at=later)
    return found.get()


def _address(check: Check) -> str:
    return f"/api/v1/tenants/{check.tenant.public_id}/checks/{check.public_id}/"


def _start_run(check: Check) -> None:
    Check.objects.filter(pk=check.pk).update(next_due_at=timezone.now())


def test_settled_verdict_is_returned_at_once(api: ApiClient, check: Check) -> None:
    response = api.get(f"{_address(check)}?wait_for=settled")

    assert (response.status_code, response.json()["verdict"]) == (200, "pass")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("?timeout=9", 200),
        ("?wait_for=settled&timeout=0", 200),
        ("?wait_for=settled", 307),
    ],
)
def test_only_a_waiting_request_is_redirected(
    api: ApiClient, check: Check, query: str, status: int
) -> None:
    _start_run(check)

    response = api.get(f"{_address(check)}{query}")

    assert response.status_code == status
    if status == 307:
        assert response["Location"] == f"/live{_address(check)}{query}"


def test_redirect_names_the_port_of_this_machine(
    api: ApiClient, check: Check, settings: Any
) -> None:
    settings.LIVE_PORT = 8001
    _start_run(check)

    location = api.get(f"{_address(check)}?wait_for=settled")["Location"]

    assert location.startswith(f"http://testserver:8001/live{_address(check)}")


def test_waiting_response_has_the_present_state(api: ApiClient, check: Check) -> None:
    """A web worker that receives the request of the stream process does not wait."""
    _start_run(check)

    response = api.get(f"/live{_address(check)}?wait_for=settled&timeout=7")

    assert isinstance(response, WaitResponse)
    assert (response.seconds, response.status_code) == (7, 200)
    assert json.loads(response.content) == api.get(_address(check)).json()
    assert response.is_over is not None
    assert not response.is_over()
    Check.objects.update(next_due_at=timezone.now() + timedelta(minutes=5))
    assert response.is_over()


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("wait_for=passed", "wait_for", "Wait for “settled”."),
        ("wait_for=settled&timeout=51", "timeout", "Enter seconds from 0 to 50."),
        ("wait_for=settled&timeout=-1", "timeout", "Enter seconds from 0 to 50."),
        ("wait_for=settled&timeout=1e3", "timeout", "Enter seconds from 0 to 50."),
        ("timeout=soon", "timeout", "Enter seconds from 0 to 50."),
    ],
)
def test_bad_parameter_is_rejected_by_name(
    api: ApiClient, check: Check, query: str, field: str, sentence: str
) -> None:
    response = api.get(f"{_address(check)}?{query}")

    assert (response.status_code, response.json()["errors"]) == (422, {field: [sentence]})


def test_check_of_another_tenant_is_unknown(api: ApiClient, check: Check, viewer: Any) -> None:
    for prefix in ("", "/live"):
        stranger = ApiClient("gangway_unknown")
        assert stranger.get(f"{prefix}{_address(check)}?wait_for=settled").status_code == 401
        wrong = _address(check).replace(check.public_id, "unknown")
        response = api.get(f"{prefix}{wrong}?wait_for=settled")
        assert response.status_code == 404
        assert response["Content-Type"].startswith("application/problem+json")
