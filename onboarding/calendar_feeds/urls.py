"""URLs of calendar feeds."""

from __future__ import annotations

from django.urls import path

from onboarding.calendar_feeds import views

tenant_urlpatterns = [
    path("cutovers/<str:cutover_id>/calendar.ics", views.cutover_calendar, name="cutover-calendar"),
]
urlpatterns = [
    path("calendar/", views.calendar_feeds, name="calendar-feeds"),
    path("calendar/revoke/", views.calendar_feed_revoke, name="calendar-feed-revoke"),
    path("c/<str:token>/gangway.ics", views.calendar_feed, name="calendar-feed"),
]
