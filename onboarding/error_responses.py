"""Translation of service errors into responses: the only place where views handle them.

A view calls a service inside `with errors_on_form(...)`, or inside `with errors_as_message(...)`
where a button has no input. After an error, the view continues below the block. NotPermitted
becomes a 403. The API calls `problem_response` for every exception.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.response import Response

from checks.lab.zone_records import LabError
from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from tenants.errors import TenantError
from tenants.rest.problems import WHOLE_BODY, ApiError, from_exception, invalid, response_of

ServiceError = OnboardingError | TenantError | LabError


class Attempt:
    """One call of a service. `error` is None unless the service raised an error for the reader.

    A class, not a generator: mypy infers from `__exit__` that code below the block is reachable.
    """

    def __init__(self, show: Callable[[ServiceError], None]) -> None:
        self.error: ServiceError | None = None
        self._show = show

    @property
    def succeeded(self) -> bool:
        return self.error is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(error, NotPermitted):
            raise PermissionDenied(str(error)) from error
        if not isinstance(error, ServiceError):
            return False
        self.error = error
        self._show(error)
        return True


def catch_errors() -> Attempt:
    """Store the error in the attempt, for the few views that show it in their own way."""
    return Attempt(lambda error: None)


def errors_as_message(request: HttpRequest, *, note: str = "") -> Attempt:
    """Show the error as a message on the next page, followed by the note."""
    return Attempt(lambda error: messages.error(request, f"{error} {note}".rstrip()))


def errors_on_form(form: forms.BaseForm, field: str | None = None) -> Attempt:
    """Add the error to the form.

    The error appears next to the field that it names itself, if the form has this field, otherwise
    next to `field`. None is the top of the form.
    """

    def show(error: ServiceError) -> None:
        named = error.field if isinstance(error, OnboardingError) else ""
        form.add_error(named if named in form.fields else field, str(error))

    return Attempt(show)


def form_page(
    request: HttpRequest,
    form: forms.BaseForm,
    *,
    title: str,
    button: str,
    back: str,
    about: str = "",
    **hidden: str | None,
) -> HttpResponse:
    """A refused form on a page of its own, with its input and errors, at status 422.

    For a small form in one of many rows, where the page itself cannot show the input. `hidden` has
    the hidden fields that are not of the form, without those of None; `back` is the address of
    Cancel.
    """
    context = {
        "form": form,
        "title": title,
        "about": about,
        "button": button,
        "back": back,
        "hidden": {name: value for name, value in hidden.items() if value is not None},
    }
    return render(request, "form_edit.html", context, status=422)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The response of the API to an error, with the sentence that a page shows.

    DRF calls it for every exception. None for a fault, which the middleware answers with 500.
    """
    found = _problem_of_service(error) or from_exception(error)
    return response_of(found) if found is not None else None


def _problem_of_service(error: Exception) -> ApiError | None:
    if isinstance(error, NotPermitted):
        return ApiError(403, str(error))
    if isinstance(error, ConflictingChange):
        return ApiError(409, str(error))
    if isinstance(error, ServiceError):
        named = error.field if isinstance(error, OnboardingError) else ""
        return ApiError(422, str(error), code="refused", errors={named or WHOLE_BODY: [str(error)]})
    return None


def problem_of_forms(*bound: forms.BaseForm) -> ApiError:
    """The error of invalid forms, with the sentences that a page shows next to the fields."""
    errors: dict[str, list[str]] = {}
    for form in bound:
        for name, found in form.errors.items():
            key = (
                WHOLE_BODY if name == NON_FIELD_ERRORS else form.add_prefix(name).replace("-", ".")
            )
            errors.setdefault(key, []).extend(str(sentence) for sentence in found)
    return invalid(errors)
