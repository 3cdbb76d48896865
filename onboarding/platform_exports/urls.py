"""URLs of the exports of the mail platform, below t/<public_id>/."""

from __future__ import annotations

from django.urls import path

from onboarding.platform_exports import views

tenant_urlpatterns = [
    path("platform-exports/<str:source_name>/", views.export_show, name="platform-export"),
    path(
        "platform-exports/<str:source_name>/script/",
        views.export_script,
        name="platform-export-script",
    ),
    path(
        "platform-exports/<str:source_name>/submit/",
        views.export_submit,
        name="platform-export-submit",
    ),
]
