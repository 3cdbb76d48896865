"""The addresses of the API that wait, below live/: the stream process answers them."""

from __future__ import annotations

from django.urls import include, path

from checks import api as checks

app_name = "live-api"

urlpatterns = [path("tenants/<str:public_id>/", include(checks.live_urlpatterns))]
