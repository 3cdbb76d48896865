"""The URL of an invitation, which works without an account, and tokens for administrators."""

from __future__ import annotations

from django.urls import path

from tenants import api_token_views, notification_views, provisioning_views, tour_views, views

app_name = "tenants"

urlpatterns = [
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("setup/account/<str:token>/", views.setup_account, name="setup-account"),
    path("tour/", tour_views.tour, name="tour"),
    path("tour/end/", tour_views.tour_end, name="tour-end"),
    path("glossary/", views.glossary, name="glossary"),
    path("notifications/", notification_views.notification_list, name="notification-list"),
    path("notifications/read/", notification_views.notifications_read, name="notifications-read"),
    path("notifications/unread/", notification_views.bell, name="bell"),
    path(
        "notifications/revision/",
        notification_views.notification_revision,
        name="notification-revision",
    ),
    path(
        "notifications/<str:notification_id>/read/",
        notification_views.notification_read,
        name="notification-read",
    ),
    # Below live/, which the proxy passes to the stream process.
    path(
        "live/notifications/revision/",
        notification_views.notification_revision_stream,
        name="notification-revision-stream",
    ),
    path("api/docs/", api_token_views.api_docs, name="api-docs"),
    path("people/tokens/", api_token_views.all_tokens, name="token-list"),
    path(
        "people/tokens/<str:token_id>/revoke/",
        api_token_views.any_token_revoke,
        name="token-revoke",
    ),
    path("people/provisioning/", provisioning_views.provisioning_show, name="provisioning"),
    path(
        "people/provisioning/create/",
        provisioning_views.scim_token_create,
        name="scim-token-create",
    ),
    path(
        "people/provisioning/<str:token_id>/revoke/",
        provisioning_views.scim_token_revoke,
        name="scim-token-revoke",
    ),
]
