"""The addresses of the SCIM endpoints, below /scim/v2/."""

from __future__ import annotations

from django.urls import path, re_path

from onboarding.provisioning import views

urlpatterns = [
    path("Users", views.users, name="scim-v2-users"),
    path("Users/.search", views.other, name="scim-v2-users-search"),
    path("Users/<str:person_id>", views.user, name="scim-v2-user"),
    path("Groups", views.groups, name="scim-v2-groups"),
    path("Groups/.search", views.other, name="scim-v2-groups-search"),
    path("Groups/<str:group_id>", views.group, name="scim-v2-group"),
    path("ServiceProviderConfig", views.service_config, name="scim-v2-config"),
    path("ResourceTypes", views.resource_types, name="scim-v2-resource-types"),
    path("ResourceTypes/<str:name>", views.resource_type, name="scim-v2-resource-type"),
    path("Schemas", views.schemas, name="scim-v2-schemas"),
    path("Schemas/<str:name>", views.schema, name="scim-v2-schema"),
    re_path(r"^", views.other, name="scim-v2-other"),
]
