"""The URL of an invitation. It works without an account."""

from __future__ import annotations

from django.urls import path

from tenants import views

app_name = "tenants"

urlpatterns = [
    path("invitations/<str:token>/", views.invitation, name="invitation"),
]
