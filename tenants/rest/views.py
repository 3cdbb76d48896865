"""The base classes of endpoints.

A view declares one permission for each method, loads its objects for the tenant of the address, and
calls the queries and services of the pages. The order of its checks:

1. authentication (401), then the rate limit (429)
2. permission: 404 to strangers for every method, 403 to people whose role or token does not suffice
3. the method (405), the Idempotency-Key, and the handler of the method
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from rest_framework import generics
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import api_tokens, database_time
from tenants.access import TenantAccess, access_or_404, check_permission
from tenants.models import ApiToken, Tenant, User
from tenants.permissions import Permission
from tenants.queries import tenants_for
from tenants.rest import idempotency, writers
from tenants.rest.pagination import CursorPages
from tenants.rest.problems import ApiError, invalid
from tenants.rest.serializers import ResourceSerializer, Selection
from tenants.rest.versions import check_precondition, etag_of
from tenants.second_factor import must_set_up
from tenants.throttle import RateUsage, client_of, count_request

Row = TypeVar("Row", bound=Model)
Handler = Callable[..., Response]
RATE = "600/m"
# A run queries servers of third parties. The pages count in the same limit.
SAFE_METHODS = ("GET",)
_SELECTION = ("fields", "expand")
_PAGES = ("cursor", "page_size", "ordering")


class ApiView(generics.GenericAPIView[Any]):
    """An endpoint. `permissions` has the permission of each method."""

    permissions: ClassVar[Mapping[str, Permission]] = {}
    http_method_names = ["get", "post", "patch", "delete"]
    # For the schema: the group, and the body, status and response of each method that needs one.
    tag: ClassVar[str] = ""
    inputs: ClassVar[Mapping[str, Any]] = {}
    outputs: ClassVar[Mapping[str, Any]] = {}
    statuses: ClassVar[Mapping[str, int]] = {}
    # The methods that need If-Match.
    versioned: ClassVar[frozenset[str]] = frozenset()
    # The methods that need the scope *administer*, also if their permission does not.
    administrative: ClassVar[frozenset[str]] = frozenset()
    # The limit of the page's action for each method: its name and its rate. Both share one count.
    limits: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # The fields of a response that appear once: a replayed response has null in their place.
    secrets: ClassVar[frozenset[str]] = frozenset()
    # Whether the body is a form with a file, not JSON.
    is_upload: ClassVar[bool] = False
    # Query parameters beyond those of the filters, the pages and the selection.
    query_descriptions: ClassVar[Mapping[str, str]] = {}
    # The permitted values of parameters of the address, for the schema.
    path_choices: ClassVar[Mapping[str, Sequence[str]]] = {}
    # Query parameters of DELETE: its body has no defined meaning (RFC 9110 section 9.3.5).
    delete_descriptions: ClassVar[Mapping[str, str]] = {}
    pagination_class: Any = None
    # The rows of a list, for the schema of its filters.
    model: ClassVar[type[Model]]
    usage: RateUsage | None = None

    # --- Before the handler

    def perform_authentication(self, request: Request) -> None:
        if not self.is_upload:
            # Read now, so that a conflict of transactions can repeat the request.
            _ = request._request.body
        super().perform_authentication(request)
        if not isinstance(request.user, User):
            raise NotAuthenticated("Send a token in the header Authorization: Bearer.")
        self._count(request)
        if must_set_up(request.user):
            raise ApiError(
                403,
                "Your role requires a second factor. Set it up on the page of your account.",
                code="second-factor-required",
            )

    def _count(self, request: Request) -> None:
        """Count the request for its token, or for the signed-in user."""
        token = self.token
        client = f"token:{token.public_id}" if token is not None else f"user:{self.user.pk}"
        self.usage = count_request("api", RATE, client)
        if self.usage.is_exceeded:
            raise ApiError(
                429,
                f"Send at most {self.usage.limit} requests a minute.",
                headers={"Retry-After": str(self.usage.reset_seconds)},
            )

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        # Another method has the first permission: a stranger must not learn the allowed methods.
        first = next(iter(self.permissions.values()))
        permission = self.permissions.get(str(request.method), first)
        public_id, token = self.kwargs.get("public_id", ""), self.token
        only = token.tenant if token is not None else None
        if only is not None and public_id not in ("", only.public_id):
            raise Http404("No such tenant.")
        check_permission(self.http_request, permission, public_id)
        self._check_scope(request, permission)
        if str(request.method) not in self.permissions:
            self.http_method_not_allowed(request)

    def _check_scope(self, request: Request, permission: Permission) -> None:
        token = self.token
        if token is None:
            return
        is_write = request.method not in SAFE_METHODS
        is_administrative = request.method in self.administrative
        if not api_tokens.covers(
            token, permission, is_write=is_write, is_administrative=is_administrative
        ):
            raise ApiError(
                403,
                f"The scope of the token is “{token.get_scope_display()}”.",
                code="scope-too-narrow",
            )
        if token.tenant is not None and api_tokens.exceeds_tenant(permission, is_write=is_write):
            raise ApiError(403, f"The token reaches only {token.tenant}.", code="scope-too-narrow")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in SAFE_METHODS:
            self._reject_unknown_parameters(request)
            return
        self._count_action()
        if self.is_upload:
            # Parsed after the permission: a stranger cannot fill the disk.
            _ = self.http_request.POST
        # DRF calls the attribute with the name of the method.
        name = str(request.method).lower()
        setattr(self, name, functools.partial(self._write, getattr(self, name)))

    def _count_action(self) -> None:
        """Count the request in the limit of the page's action. A repeated attempt counts once."""
        limit = self.limits.get(str(self.request.method))
        if limit is None or "is_repeated" in self.http_request.__dict__:
            return
        usage = count_request(*limit, client_of(self.http_request))
        if usage.is_exceeded:
            raise ApiError(
                429,
                f"Gangway accepts {usage.limit} such requests in {_period(usage)}.",
                headers={"Retry-After": str(usage.reset_seconds)},
            )

    def _reject_unknown_parameters(self, request: Request) -> None:
        known = {*self.query_descriptions}
        if self.serializer_class is not None:
            known |= {*_SELECTION}
        if self.pagination_class is not None:
            known |= {*_PAGES}
        filters = getattr(self, "filterset_class", None)
        if filters is not None:
            known |= set(filters.base_filters)
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            choices = ", ".join(sorted(known)) or "none"
            raise invalid({name: [f"Unknown parameter. Known: {choices}."] for name in unknown})

    # --- Writes

    def _write(self, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call the handler in one transaction, once for each Idempotency-Key."""
        key = idempotency.key_of(request)
        if not key:
            with transaction.atomic():
                self._lock_tenant()
                return handler(request, *args, **kwargs)
        fingerprint = idempotency.fingerprint_of(request)
        with transaction.atomic():
            row = idempotency.reserve(key, self.user, fingerprint)
            if row is not None:
                self._lock_tenant()
                response = handler(request, *args, **kwargs)
                idempotency.store(row, response, self.written_tenant(), secrets=self.secrets)
                return response
        found = idempotency.first_response(key, self.user, fingerprint)
        assert found is not None, "the other request has stored its response"
        return found

    def _lock_tenant(self) -> None:
        """Lock the tenant, the first lock of the order in docs/architecture.md: If-Match is then
        compared with the version that the change replaces."""
        if "public_id" in self.kwargs:
            rows = Tenant.objects.select_for_update(no_key=True)
            list(rows.filter(pk=self.tenant.pk).values_list("pk", flat=True))

    def written_tenant(self) -> Tenant | None:
        """The tenant of the change. The erasure of a tenant deletes its stored responses."""
        return self.tenant if "public_id" in self.kwargs else None

    def validated(self, serializer: Any) -> dict[str, Any]:
        """The validated body of the request. Raises the 422 error."""
        read = serializer(data=self.request.data, context=self.get_serializer_context())
        read.is_valid(raise_exception=True)
        values: dict[str, Any] = read.validated_data
        return values

    def require_version(self, row: Model) -> None:
        """Raise 428 or 412 unless If-Match has the version of this editable resource."""
        check_precondition(self.request, etag_of(row), lambda: self.represent(row))

    # --- After the handler

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, cast(Response, response), *args, **kwargs)
        if self.usage is not None:
            limit, window = self.usage.limit, self.usage.window_seconds
            final["RateLimit-Policy"] = f'"minute";q={limit};w={window}'
            final["RateLimit"] = f'"minute";r={self.usage.remaining};t={self.usage.reset_seconds}'
        is_known = isinstance(getattr(request, "user", None), User)
        if is_known and request.method not in SAFE_METHODS:
            self._store_refusal(request, final)
        if is_known and self.token is not None:
            api_tokens.mark_used(self.token, now=database_time.now())
        return final

    def _store_refusal(self, request: Request, response: Response) -> None:
        key = str(request.META.get("HTTP_IDEMPOTENCY_KEY", "")).strip()
        if response.status_code < 400 or not key or idempotency.REPLAYED in response:
            return
        access = getattr(request._request, "access", None)
        tenant = access.tenant if isinstance(access, TenantAccess) else None
        if len(key) <= idempotency.LONGEST_KEY and response.data.get("code") != _REUSED:
            idempotency.store_refusal(request, key, response, tenant)

    # --- What handlers use

    def get_queryset(self) -> QuerySet[Any]:
        """No rows: each handler reads its own. The schema reads the types of the filters."""
        return self.model._default_manager.none()

    @property
    def http_request(self) -> HttpRequest:
        return self.request._request

    @property
    def user(self) -> User:
        return cast(User, self.request.user)

    @property
    def token(self) -> ApiToken | None:
        found = self.request.auth
        return found if isinstance(found, ApiToken) else None

    @property
    def access(self) -> TenantAccess:
        return access_or_404(self.http_request, self.kwargs["public_id"])

    @property
    def tenant(self) -> Tenant:
        return self.access.tenant

    @property
    def tenants(self) -> QuerySet[Tenant]:
        """The tenants that the person can see, and that the token can reach."""
        found = tenants_for(self.user)
        only = self.token.tenant if self.token is not None else None
        return found.filter(pk=only.pk) if only is not None else found

    @functools.cached_property
    def selection(self) -> Selection:
        if self.request.method not in SAFE_METHODS:
            return Selection()
        return Selection.read(
            cast(QueryDict, self.request.query_params),
            cast(type[ResourceSerializer], self.serializer_class),
        )

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if self.serializer_class is not None and getattr(self, "request", None) is not None:
            context["selection"] = self.selection
        return context

    def represent(self, row: Any) -> Any:
        return self.get_serializer(self.decorate([row])[0]).data

    def decorate(self, rows: list[Any]) -> list[Any]:
        """The rows of one page as the serializer needs them."""
        return rows

    def answer_of(self, serializer: type[ResourceSerializer], row: Any) -> Any:
        """The row by another serializer than that of the resource."""
        return serializer(row, context=self.get_serializer_context()).data

    def one(self, row: Any, *, status: int = 200, version: Model | None = None) -> Response:
        """The response with one resource, and with its ETag if it is editable."""
        response = Response(self.represent(row), status=status)
        if version is not None:
            response["ETag"] = etag_of(version)
        return response

    def listed(self, rows: QuerySet[Any]) -> Response:
        """One page of the filtered and ordered rows."""
        found = self.paginate_queryset(self.filter_queryset(rows))
        assert found is not None, "a list has pages"
        written = writers.rows_of(self.get_serializer(), self.decorate(list(found)))
        return self.get_paginated_response(written)


_REUSED = "idempotency-key-reused"


def _period(usage: RateUsage) -> str:
    return "an hour" if usage.window_seconds == 3600 else "a minute"


class ApiListView(ApiView):
    """An endpoint with a list. `ordering_fields` are the permitted orders, and `ordering` is the
    default. `tie_break` is a unique column, so that no row appears on two pages."""

    pagination_class = CursorPages
    ordering_fields: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[tuple[str, ...]] = ()
    tie_break: ClassVar[str] = "public_id"


def found_or_404(rows: QuerySet[Row], public_id: str, name: str) -> Row:
    """The row with this public id. Raises Http404 with the name of the resource."""
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise Http404(f"No such {name}.")
    return found
