"""URLs of the Monitoring page and its drifts."""

from __future__ import annotations

from django.urls import path

from onboarding.monitoring import views

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("monitoring/", views.monitoring, name="monitoring"),
    path(
        "monitoring/<str:drift_id>/acknowledge/", views.drift_acknowledge, name="drift-acknowledge"
    ),
    path("monitoring/<str:drift_id>/accept/", views.drift_accept, name="drift-accept"),
    path("monitoring/<str:drift_id>/mute/", views.drift_mute, name="drift-mute"),
    path("monitoring/<str:drift_id>/unmute/", views.drift_unmute, name="drift-unmute"),
]
