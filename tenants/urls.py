"""The URL of an invitation, which works without an account, and the API tokens of all people."""

from __future__ import annotations

from django.urls import path

from tenants import api_token_views, views

app_name = "tenants"

urlpatterns = [
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("api/docs/", api_token_views.api_docs, name="api-docs"),
    path("people/tokens/", api_token_views.all_tokens, name="token-list"),
    path(
        "people/tokens/<str:token_id>/revoke/",
        api_token_views.any_token_revoke,
        name="token-revoke",
    ),
]
