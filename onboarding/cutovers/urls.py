"""URLs of cutover planning, the cutover rooms and the freezes."""

from __future__ import annotations

from django.urls import path

from onboarding.cutovers.views import (
    dry_run,
    freezes,
    go_no_go,
    on_call,
    planning,
    preflight,
    room,
    window,
)

urlpatterns = [
    path("freezes/", freezes.freezes_show, name="freezes"),
    path("freezes/holidays/", freezes.holiday_add, name="mimecast-holiday-add"),
    path(
        "freezes/holidays/<str:common_holiday_id>/remove/",
        freezes.holiday_remove,
        name="mimecast-holiday-remove",
    ),
    path(
        "freezes/<str:common_freeze_id>/remove/", freezes.freeze_remove, name="global-freeze-remove"
    ),
]

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("cutovers/", planning.cutover_plan, name="cutovers"),
    path("cutovers/<str:cutover_id>/edit/", planning.cutover_change, name="cutover-edit"),
    path("cutovers/<str:cutover_id>/cancel/", planning.cutover_cancel, name="cutover-cancel"),
    path("cutovers/<str:cutover_id>/", room.cutover_room, name="cutover-room"),
    path("cutovers/<str:cutover_id>/change-sheet/", room.change_sheet, name="change-sheet"),
    path("cutovers/<str:cutover_id>/preflight/", preflight.pre_flight, name="preflight"),
    path("cutovers/<str:cutover_id>/rollback/", room.rollback, name="rollback"),
    path("cutovers/<str:cutover_id>/timeline/", room.cutover_timeline, name="cutover-timeline"),
    path("cutovers/<str:cutover_id>/snapshots/", room.snapshot_save, name="snapshot-save"),
    path("cutovers/<str:cutover_id>/approvers/", go_no_go.approvers, name="approvers"),
    path("cutovers/<str:cutover_id>/on-call/", on_call.on_call_add, name="on-call-add"),
    path(
        "cutovers/<str:cutover_id>/on-call/<str:on_call_id>/remove/",
        on_call.on_call_remove,
        name="on-call-remove",
    ),
    path("cutovers/<str:cutover_id>/dry-run/", dry_run.dry_run_new, name="dry-run-create"),
    path(
        "cutovers/<str:cutover_id>/dry-runs/<str:dry_run_id>/",
        dry_run.dry_run_show,
        name="dry-run-show",
    ),
    path("cutovers/<str:cutover_id>/votes/", go_no_go.vote, name="cutover-vote"),
    path("cutovers/<str:cutover_id>/window/", window.window_confirm, name="cutover-window"),
]
