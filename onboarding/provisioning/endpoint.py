"""The frame of every SCIM endpoint: token, method, body, and errors in the shape of SCIM."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    PatchOp,
    Resource,
    ResponseParameters,
    SCIMException,
)

from onboarding.provisioning.resources import POLICY, names_in, texts_in
from tenants import database_time, provisioning_tokens
from tenants.models import ScimToken
from tenants.people import PeopleError
from tenants.request_context import set_scim_token
from tenants.rest.parsers import is_text
from tenants.throttle import throttled

CONTENT_TYPE = "application/scim+json"
RATE = "1200/m"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_BODY_TYPES = (CONTENT_TYPE, "application/json")
# A group of 3,000 members has about 300 kB.
MOST_BYTES = 524_288
# The time in which the library parses a path grows with the square of its length.
LONGEST_PATH = 1000
MOST_OPERATIONS = 200
View = Callable[..., HttpResponse]
AnyResource = TypeVar("AnyResource", bound=Resource[Any])


_BIG_BODY = f"The body of a request may have {MOST_BYTES // 1024} KiB at most."
_LONG_PATH = f"A path or the name of an attribute has more than {LONGEST_PATH} characters."


class RefusedError(Exception):
    """A refusal with the HTTP status and the sentence of its response."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


_REFUSALS = (RefusedError, ValidationError, SCIMException, PeopleError, RequestDataTooBig)


def endpoint(*methods: str) -> Callable[[View], View]:
    """Guard a view: a usable token for every method, then `methods`. The session is ignored."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                token = _authenticate(request)
                if request.method not in methods:
                    raise RefusedError(405, "This address does not have this method.")
                with POLICY:
                    response = view(request, *args, **kwargs)
            except _REFUSALS as error:
                return _refusal(error)
            # After the view: a conflict of transactions repeats only requests without a write.
            provisioning_tokens.mark_used(token, now=database_time.now())
            return response

        limited: View = throttled("scim", RATE, methods=_METHODS)(guarded)
        return never_cache(csrf_exempt(login_not_required(limited)))

    return decorate


def _refusal(error: Exception) -> HttpResponse:
    match error:
        case RefusedError():
            response = error_response(error.status, str(error))
            if error.status == 401:
                response["WWW-Authenticate"] = "Bearer"
            return response
        case ValidationError():
            return response_of(Error.from_validation_errors(error)[0])
        case SCIMException():
            return response_of(error.to_error())
        case PeopleError():
            return error_response(409, str(error))
    return error_response(413, _BIG_BODY)


def _authenticate(request: HttpRequest) -> ScimToken:
    """The usable token of the request, which the activity log names."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    token = provisioning_tokens.find(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise RefusedError(401, "Send a token of SCIM provisioning in Authorization: Bearer.")
    set_scim_token(token.public_id)
    return token


# --- Requests


def operations_of(request: HttpRequest, model: type[AnyResource]) -> PatchOp[AnyResource]:
    """The validated operations of a PATCH. Too many or too long ones are refused unread."""
    payload = payload_of(request)
    for given in _named(payload, "operations"):
        if isinstance(given, list) and len(given) > MOST_OPERATIONS:
            raise RefusedError(413, f"A request has at most {MOST_OPERATIONS} operations.")
        for each in given if isinstance(given, list) else []:
            paths = _named(each, "path") if isinstance(each, dict) else []
            if any(len(path) > LONGEST_PATH for path in paths if isinstance(path, str)):
                raise InvalidPathException(detail=_LONG_PATH)
    operations: PatchOp[AnyResource] = PatchOp[model].model_validate(  # type: ignore[valid-type]  # a model at run time
        payload, scim_ctx=Context.RESOURCE_PATCH_REQUEST
    )
    return operations


def _named(values: dict[str, Any], name: str) -> list[Any]:
    """The values of an attribute. The names of SCIM are equal in any case."""
    return [value for key, value in values.items() if key.lower() == name]


def payload_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of the body. Raises RefusedError, SCIMException or RequestDataTooBig."""
    if request.content_type not in _BODY_TYPES:
        raise RefusedError(415, f"Send the body as {CONTENT_TYPE}.")
    if len(request.body) > MOST_BYTES:
        raise RefusedError(413, _BIG_BODY)
    try:
        payload = json.loads(request.body)
    except (ValueError, RecursionError):
        raise InvalidSyntaxException(detail="The body is no JSON that Gangway can read.") from None
    if not isinstance(payload, dict):
        raise InvalidSyntaxException(detail="The body is no JSON object.")
    if any(len(name) > LONGEST_PATH for name in names_in(payload)):
        # The library reads the name of an attribute as a path.
        raise InvalidPathException(detail=_LONG_PATH)
    # PostgreSQL stores no NUL character.
    if not is_text(payload) or any("\0" in text for text in texts_in(payload)):
        raise InvalidValueException(detail="A value contains a character that cannot be stored.")
    return payload


# --- Responses


def error_response(status: int, detail: str) -> HttpResponse:
    return response_of(Error(status=status, detail=detail))


def response_of(error: Error) -> HttpResponse:
    return HttpResponse(
        error.model_dump_json(), status=error.status or 400, content_type=CONTENT_TYPE
    )


def selection_of(request: HttpRequest, model: type[Resource[Any]]) -> ResponseParameters[Any]:
    """The `attributes` and `excludedAttributes` of the request."""
    names = ("attributes", "excludedAttributes")
    given = {name: request.GET[name] for name in names if name in request.GET}
    return ResponseParameters[model].model_validate(given)  # type: ignore[valid-type]  # a model at run time


def answer(
    request: HttpRequest, resource: Resource[Any], context: Context, *, status: int = 200
) -> HttpResponse:
    """The response with one resource and its address."""
    content = resource.model_dump_json(
        scim_ctx=context, response_parameters=selection_of(request, type(resource))
    )
    response = HttpResponse(content, status=status, content_type=CONTENT_TYPE)
    if resource.meta is not None and resource.meta.location:
        response["Location"] = resource.meta.location
    return response
