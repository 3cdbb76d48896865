from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django import forms
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test import RequestFactory

import onboarding
from checks.lab.zone_records import LabError
from onboarding.error_responses import (
    ServiceError,
    catch_errors,
    errors_as_message,
    errors_on_form,
)
from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from tenants.errors import TenantError

ERRORS = [OnboardingError, ConflictingChange, TenantError, LabError]


class _Form(forms.Form):
    name = forms.CharField()
    reason = forms.CharField()


@pytest.fixture
def request_() -> HttpRequest:
    request = RequestFactory().get("/")
    request.__dict__["session"] = {}
    request.__dict__["_messages"] = FallbackStorage(request)
    return request


@pytest.fixture
def form() -> _Form:
    form = _Form({"name": "Jo", "reason": "late"})
    assert form.is_valid()
    return form


@pytest.mark.parametrize("error", ERRORS)
def test_error_becomes_a_message(error: type[ServiceError], request_: HttpRequest) -> None:
    with errors_as_message(request_) as attempt:
        raise error("The name is taken.")

    assert [str(each) for each in get_messages(request_)] == ["The name is taken."]
    assert not attempt.succeeded


def test_note_follows_the_error(request_: HttpRequest) -> None:
    with errors_as_message(request_, note="Nothing was changed."):
        raise OnboardingError("The name is taken.")

    shown = [str(each) for each in get_messages(request_)]
    assert shown == ["The name is taken. Nothing was changed."]


def test_success_shows_no_message(request_: HttpRequest) -> None:
    with errors_as_message(request_) as attempt:
        pass

    assert list(get_messages(request_)) == []
    assert attempt.succeeded


@pytest.mark.parametrize("error", ERRORS)
def test_error_appears_next_to_its_field(error: type[ServiceError], form: _Form) -> None:
    with errors_on_form(form, "reason"):
        raise error("Too short.")

    assert form.errors == {"reason": ["Too short."]}


def test_error_without_field_is_at_the_top(form: _Form) -> None:
    with errors_on_form(form):
        raise OnboardingError("Too short.")

    assert form.errors == {"__all__": ["Too short."]}


@pytest.mark.parametrize(("named", "shown"), [("name", "name"), ("absent", "reason")])
def test_error_names_its_own_field(named: str, shown: str, form: _Form) -> None:
    error = OnboardingError("Too short.")
    error.field = named

    with errors_on_form(form, "reason"):
        raise error

    assert form.errors == {shown: ["Too short."]}


def test_not_permitted_becomes_a_403(request_: HttpRequest, form: _Form) -> None:
    for attempt in (catch_errors(), errors_as_message(request_), errors_on_form(form)):
        with pytest.raises(PermissionDenied, match="Not you"), attempt:
            raise NotPermitted("Not you.")

    assert list(get_messages(request_)) == []
    assert form.errors == {}


def test_other_exceptions_pass(request_: HttpRequest) -> None:
    with pytest.raises(KeyError), errors_as_message(request_):
        raise KeyError("bug")


def test_catch_errors_stores_the_error() -> None:
    error = ConflictingChange("Changed.")

    with catch_errors() as attempt:
        raise error

    assert attempt.error is error


def test_no_view_handles_a_service_error() -> None:
    """Views translate service errors in onboarding/error_responses.py, in one place."""
    root = Path(onboarding.__file__).parent
    views = [path for path in root.rglob("*.py") if "views" in path.relative_to(root).as_posix()]
    caught = {
        f"{path.relative_to(root)}:{handler.lineno}"
        for path in views
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler)
        and handler.type is not None
        and ast.unparse(handler.type) != "signing.BadSignature"
    }

    assert views
    assert caught == set()
