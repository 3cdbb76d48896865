"""The SCIM endpoints below /scim/v2/."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from scim2_models import (
    Context,
    InvalidValueException,
    ListResponse,
    NotFoundException,
    Resource,
    SearchRequest,
)

from onboarding.provisioning import discovery, queries, services
from onboarding.provisioning.endpoint import (
    CONTENT_TYPE,
    answer,
    endpoint,
    error_response,
    operations_of,
    payload_of,
    selection_of,
)
from onboarding.provisioning.resources import (
    GroupResource,
    PersonResource,
    group_resource,
    person_resource,
)
from tenants import staff_groups
from tenants.models import ProvisionedGroup, User
from tenants.tokens import site_url

_QUERY = Context.RESOURCE_QUERY_RESPONSE


def _base(request: HttpRequest) -> str:
    return f"{site_url(request)}/scim/v2"


# --- People


@endpoint("GET", "POST")
def users(request: HttpRequest) -> HttpResponse:
    """List the staff with filter and pages, or create an account."""
    if request.method == "GET":
        search = _search_of(request, PersonResource)
        rows = queries.narrowed_people(search)
        return _listed(request, search, [person_resource(each, _base(request)) for each in rows])
    resource, _ = _person_of(request, Context.RESOURCE_CREATION_REQUEST)
    person = services.create_person(resource)
    return _person_answer(request, person, Context.RESOURCE_CREATION_RESPONSE, status=201)


@endpoint("GET", "PUT", "PATCH", "DELETE")
def user(request: HttpRequest, person_id: str) -> HttpResponse:
    """Read, replace, change or delete one account."""
    match request.method:
        case "PUT":
            queries.person_or_404(person_id)
            resource, has_active = _person_of(request, Context.RESOURCE_REPLACEMENT_REQUEST)
            person = services.replace_person(person_id, resource, may_activate=has_active)
            return _person_answer(request, person, Context.RESOURCE_REPLACEMENT_RESPONSE)
        case "PATCH":
            queries.person_or_404(person_id)
            operations = operations_of(request, PersonResource)
            person = services.patch_person(person_id, operations)
            return _person_answer(request, person, Context.RESOURCE_PATCH_RESPONSE)
        case "DELETE":
            services.remove_person(person_id)
            return HttpResponse(status=204)
    return _person_answer(request, queries.person_or_404(person_id), _QUERY)


def _person_of(request: HttpRequest, context: Context) -> tuple[PersonResource, bool]:
    """The resource of the body, and whether the body has `active`. An omitted one is true."""
    payload = payload_of(request)
    has_active = any(name.lower() == "active" for name in payload)
    if not has_active:
        payload = payload | {"active": True}
    if not payload.get("emails") and isinstance(payload.get("userName"), str):
        payload = payload | {"emails": [{"value": payload["userName"]}]}
    return PersonResource.model_validate(payload, scim_ctx=context), has_active


def _person_answer(
    request: HttpRequest, person: User, context: Context, *, status: int = 200
) -> HttpResponse:
    return answer(request, person_resource(person, _base(request)), context, status=status)


# --- Groups


@endpoint("GET", "POST")
def groups(request: HttpRequest) -> HttpResponse:
    """List the groups with filter and pages, or create one. 404 without roles of groups."""
    _require_roles_of_groups()
    if request.method == "GET":
        search = _search_of(request, GroupResource)
        found = [_represented(each, request) for each in queries.narrowed_groups(search)]
        return _listed(request, search, found)
    resource = GroupResource.model_validate(
        payload_of(request), scim_ctx=Context.RESOURCE_CREATION_REQUEST
    )
    made = _represented(services.create_group(resource), request)
    return answer(request, made, Context.RESOURCE_CREATION_RESPONSE, status=201)


@endpoint("GET", "PUT", "PATCH", "DELETE")
def group(request: HttpRequest, group_id: str) -> HttpResponse:
    """Read, replace, change or delete one group. The roles of its members follow."""
    _require_roles_of_groups()
    found = queries.group_or_404(group_id)
    match request.method:
        case "PUT":
            resource = GroupResource.model_validate(
                payload_of(request), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST
            )
            changed = _represented(services.replace_group(group_id, resource), request)
            return answer(request, changed, Context.RESOURCE_REPLACEMENT_RESPONSE)
        case "PATCH":
            operations = operations_of(request, GroupResource)
            changed = _represented(services.patch_group(group_id, operations), request)
            return answer(request, changed, Context.RESOURCE_PATCH_RESPONSE)
        case "DELETE":
            services.remove_group(group_id)
            return HttpResponse(status=204)
    return answer(request, _represented(found, request), _QUERY)


def _require_roles_of_groups() -> None:
    if not staff_groups.are_used():
        raise NotFoundException(detail="Groups have no roles: OIDC_GROUP_ROLES is empty.")


def _represented(group: ProvisionedGroup, request: HttpRequest) -> GroupResource:
    return group_resource(group, list(group.members.all()), _base(request))


# --- Lists


def _search_of(request: HttpRequest, model: type[Resource[Any]]) -> SearchRequest[Any]:
    if len(request.GET.get("filter", "")) > 1000:
        raise InvalidValueException(detail="The filter has more than 1000 characters.")
    names = ("filter", "startIndex", "count")
    given = {name: request.GET[name] for name in names if name in request.GET}
    return SearchRequest[model].model_validate(given)  # type: ignore[valid-type]  # a model at run time


def _listed(request: HttpRequest, search: SearchRequest[Any], resources: list[Any]) -> HttpResponse:
    """One page of the resources that match the filter."""
    found = [each for each in resources if search.filter is None or search.filter.match(each)]
    page = list(queries.page_of(found, search, discovery.MOST_RESULTS))
    return _list_answer(request, page, total=len(found), first=search.start_index or 1)


def _list_answer(
    request: HttpRequest, page: list[Any], *, total: int, first: int = 1
) -> HttpResponse:
    content = {
        "schemas": [str(ListResponse.__schema__)],
        "totalResults": total,
        "startIndex": first,
        "itemsPerPage": len(page),
        "Resources": [
            each.model_dump(scim_ctx=_QUERY, response_parameters=selection_of(request, type(each)))
            for each in page
        ],
    }
    return JsonResponse(content, content_type=CONTENT_TYPE)


# --- Discovery


@endpoint("GET")
def service_config(request: HttpRequest) -> HttpResponse:
    return answer(request, discovery.service_config(_base(request)), _QUERY)


@endpoint("GET")
def resource_types(request: HttpRequest) -> HttpResponse:
    found = discovery.resource_types(_base(request))
    return _list_answer(request, found, total=len(found))


@endpoint("GET")
def resource_type(request: HttpRequest, name: str) -> HttpResponse:
    return _one_of(request, discovery.resource_types(_base(request)), name)


@endpoint("GET")
def schemas(request: HttpRequest) -> HttpResponse:
    found = discovery.schemas(_base(request))
    return _list_answer(request, found, total=len(found))


@endpoint("GET")
def schema(request: HttpRequest, name: str) -> HttpResponse:
    return _one_of(request, discovery.schemas(_base(request)), name)


def _one_of(request: HttpRequest, found: list[Any], name: str) -> HttpResponse:
    for each in found:
        if each.id == name:
            return answer(request, each, _QUERY)
    raise NotFoundException(detail="No such resource.")


@endpoint("GET", "POST", "PUT", "PATCH", "DELETE")
def other(request: HttpRequest) -> HttpResponse:
    """Every other address: 501 for optional operations of the protocol, else 404."""
    if request.path.endswith(("/.search", "/Bulk", "/Me")):
        return error_response(501, "Gangway does not support this operation.")
    return error_response(404, "No such address.")
