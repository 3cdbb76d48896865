"""The description of the SCIM service: ServiceProviderConfig, ResourceTypes and Schemas."""

from __future__ import annotations

from typing import Any

from scim2_models import (
    URI,
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Meta,
    Pagination,
    Patch,
    Reference,
    Resource,
    ResourceType,
    Schema,
    ServiceProviderConfig,
    Sort,
)

from onboarding.provisioning.resources import GroupResource, PersonResource
from tenants import staff_groups

# The most resources of one page.
MOST_RESULTS = 200


def service_config(base: str) -> ServiceProviderConfig:
    """What the service can do. `base` is its address."""
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=False),
        pagination=Pagination(
            cursor=False, index=True, default_page_size=MOST_RESULTS, max_page_size=MOST_RESULTS
        ),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token from the page SCIM provisioning.",
                primary=True,
            )
        ],
        meta=Meta(resource_type="ServiceProviderConfig", location=f"{base}/ServiceProviderConfig"),
    )


def _models() -> dict[str, type[Resource[Any]]]:
    """The resources by name. Groups exist only where they have roles."""
    groups: dict[str, type[Resource[Any]]] = {"Group": GroupResource}
    return {"User": PersonResource} | (groups if staff_groups.are_used() else {})


def resource_types(base: str) -> list[ResourceType]:
    found = []
    for name, model in _models().items():
        kind = ResourceType.from_resource(model)
        kind.endpoint = Reference[URI](f"/{name}s")
        kind.meta = Meta(resource_type="ResourceType", location=f"{base}/ResourceTypes/{name}")
        found.append(kind)
    return found


def schemas(base: str) -> list[Schema]:
    found = []
    for name, model in _models().items():
        schema = model.to_schema()
        schema.name = name
        schema.meta = Meta(resource_type="Schema", location=f"{base}/Schemas/{schema.id}")
        found.append(schema)
    return found
