"""Errors of the API as problem details (RFC 9457), in one shape for every error.

`onboarding.error_responses.problem_response` adds the errors of services. DRF calls it for every
exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
# The key of errors that concern no single field.
WHOLE_BODY = "body"

# The code of each status, unless the error has its own.
_CODES = {
    400: "malformed",
    401: "not-authenticated",
    403: "not-permitted",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    412: "outdated",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid",
    428: "precondition-required",
    429: "rate-limited",
    500: "internal-error",
    503: "unavailable",
    507: "storage-full",
}
INVALID = "Some values are invalid. Nothing was changed."


class ApiError(exceptions.APIException):
    """An error of the API with its status, its code and its sentence."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        errors: Mapping[str, Sequence[str]] | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code or code_of(status))
        self.status_code = status
        self.code = code or code_of(status)
        self.errors = errors or {}
        self.extra = extra or {}
        self.headers = headers or {}


def code_of(status: int) -> str:
    return _CODES.get(status, "error")


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    errors: Mapping[str, Sequence[str]] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of an error response. `errors` has the sentences of each field."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code or code_of(status),
        "detail": detail,
    }
    if errors:
        body["errors"] = {name: list(sentences) for name, sentences in errors.items()}
    return body | dict(extra or {})


def invalid(errors: Mapping[str, Sequence[str]], *, detail: str = "") -> ApiError:
    """The error of invalid values. A single sentence is also the detail."""
    sentences = [sentence for each in errors.values() for sentence in each]
    return ApiError(
        422, detail or (sentences[0] if len(sentences) == 1 else INVALID), errors=errors
    )


def from_exception(error: Exception) -> ApiError | None:
    """The error for a known exception; None for every other one."""
    match error:
        case ApiError():
            return error
        case Http404():
            return ApiError(404, str(error) or "No such object.")
        case PermissionDenied():
            return ApiError(403, str(error))
        case RequestDataTooBig():
            return ApiError(413, "The body of a request may have 2 MB at most.")
        case exceptions.ValidationError():
            return invalid(dict(_flat(error.detail)))
        case exceptions.APIException():
            return ApiError(error.status_code, str(error.detail), headers=_challenge(error))
    return None


def _challenge(error: exceptions.APIException) -> dict[str, str]:
    header = getattr(error, "auth_header", "")
    return {"WWW-Authenticate": header} if header else {}


def _flat(detail: Any, path: str = "") -> list[tuple[str, list[str]]]:
    """The sentences of DRF's nested errors by the path of their field, such as `domains.0.name`."""
    if isinstance(detail, dict):
        pairs = [
            (path if key == "non_field_errors" else _join(path, key), detail[key]) for key in detail
        ]
        return [found for name, each in pairs for found in _flat(each, name)]
    if isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        numbered = [(_join(path, str(n)), each) for n, each in enumerate(detail)]
        return [found for name, each in numbered for found in _flat(each, name)]
    sentences = detail if isinstance(detail, list) else [detail]
    return [(path or WHOLE_BODY, [str(each) for each in sentences])] if sentences else []


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def response_of(error: ApiError) -> Response:
    body = problem(
        error.status_code,
        str(error.detail),
        code=error.code,
        errors=error.errors,
        extra=error.extra,
    )
    return Response(
        body, status=error.status_code, headers=dict(error.headers), content_type=CONTENT_TYPE
    )
