"""Cutovers: planning them, their rooms, and the days on which nothing may be switched."""

from __future__ import annotations

from django.urls import path

from onboarding.views import cutover, freezes, on_call, planning, preflight, rehearsal, voting

urlpatterns = [
    path("t/<str:public_id>/cutovers/", planning.cutover_plan, name="cutover-plan"),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/plan/",
        planning.cutover_change,
        name="cutover-change",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/drop/",
        planning.cutover_drop,
        name="cutover-drop",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/",
        cutover.room,
        name="cutover-room",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/changes/",
        cutover.change_sheet,
        name="change-sheet",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/pre-flight/",
        preflight.pre_flight,
        name="pre-flight",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/rollback/",
        cutover.rollback,
        name="rollback",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/record/",
        cutover.record,
        name="cutover-record",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/snapshots/",
        cutover.snapshot_take,
        name="snapshot-take",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/approvers/",
        voting.approvers,
        name="approvers",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/on-call/",
        on_call.on_call_add,
        name="on-call-add",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/on-call/<str:on_call_id>/remove/",
        on_call.on_call_remove,
        name="on-call-remove",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/rehearse/",
        rehearsal.rehearse,
        name="rehearse",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/rehearsals/<str:rehearsal_id>/",
        rehearsal.rehearsal,
        name="rehearsal",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/votes/",
        voting.vote,
        name="cutover-vote",
    ),
    path(
        "t/<str:public_id>/cutovers/<str:cutover_id>/window/",
        cutover.window_confirm,
        name="cutover-window",
    ),
    path("freezes/", freezes.freezes_show, name="freezes"),
    path(
        "freezes/<str:common_freeze_id>/remove/",
        freezes.freeze_remove,
        name="common-freeze-remove",
    ),
]
