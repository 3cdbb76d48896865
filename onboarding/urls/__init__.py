"""Onboarding's addresses: nouns, with each act a POST below its noun."""

from __future__ import annotations

from django.urls import path

from onboarding.urls import cutovers, people, sheets, templates
from onboarding.views import (
    checks,
    dashboard,
    dates,
    discovery,
    files,
    lab,
    message,
    moves,
    own_tasks,
    plan,
    plan_version,
    search,
    talk,
    tenants,
    watch,
)

app_name = "onboarding"

urlpatterns = [
    path("", tenants.home, name="home"),
    path("search/", search.search, name="search"),
    path("mentions/", talk.mentions, name="mentions"),
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("dashboard/export/", dashboard.dashboard_csv, name="dashboard-csv"),
    path("tenants/", tenants.tenant_list, name="tenant-list"),
    path("tenants/new/", tenants.tenant_create, name="tenant-create"),
    path("t/<str:public_id>/", plan.plan_show, name="plan-show"),
    path("t/<str:public_id>/steps/", plan.steps, name="steps"),
    path("t/<str:public_id>/revision/", plan.revision, name="revision"),
    path("t/<str:public_id>/activity/", plan.activity, name="activity"),
    path("t/<str:public_id>/domains/", checks.domains, name="domains"),
    path("t/<str:public_id>/profile/", tenants.profile_edit, name="profile-edit"),
    path(
        "t/<str:public_id>/domains/<str:domain_id>/look-around/",
        discovery.look_around,
        name="look-around",
    ),
    path(
        "t/<str:public_id>/domains/<str:domain_id>/suggestions/use/",
        discovery.suggestion_use,
        name="suggestion-use",
    ),
    path(
        "t/<str:public_id>/domains/<str:domain_id>/suggestions/dismiss/",
        discovery.suggestion_dismiss,
        name="suggestion-dismiss",
    ),
    path("t/<str:public_id>/region/", tenants.region_values, name="region-values"),
    path("t/<str:public_id>/look/", checks.look_at_all, name="look-at-all"),
    path("t/<str:public_id>/checks/<str:check_id>/look/", checks.check_look, name="check-look"),
    path("t/<str:public_id>/checks/<str:check_id>/message/", message.message, name="message"),
    path(
        "t/<str:public_id>/checks/<str:check_id>/message/show/",
        message.message_show,
        name="message-show",
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/confirm/", plan.task_confirm, name="task-confirm"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/withdraw/", plan.task_withdraw, name="task-withdraw"
    ),
    path("t/<str:public_id>/version/", plan_version.plan_version, name="plan-version"),
    path("t/<str:public_id>/own-steps/", own_tasks.own_task_add, name="own-task-add"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/own/",
        own_tasks.own_task_edit,
        name="own-task-edit",
    ),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/remove/",
        own_tasks.own_task_remove,
        name="own-task-remove",
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/look/", plan.task_look, name="task-look"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/responsibility/",
        plan.task_responsibility,
        name="task-responsibility",
    ),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/moves/<str:move>/",
        moves.task_move,
        name="task-move",
    ),
    path("t/<str:public_id>/sign-off/", moves.sign_off, name="sign-off"),
    path("t/<str:public_id>/tasks/<str:task_id>/undo/", moves.task_undo, name="task-undo"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/domains/<str:domain_id>/confirm/",
        moves.part_confirm,
        name="part-confirm",
    ),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/domains/<str:domain_id>/withdraw/",
        moves.part_withdraw,
        name="part-withdraw",
    ),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/domains/<str:domain_id>/exempt/",
        moves.part_exempt,
        name="part-exempt",
    ),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/domains/<str:domain_id>/include/",
        moves.part_include,
        name="part-include",
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/comments/", talk.comment_add, name="comment-add"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/comments/<str:comment_id>/take-back/",
        talk.comment_take_back,
        name="comment-take-back",
    ),
    path("t/<str:public_id>/lab/", lab.lab_show, name="lab"),
    path("t/<str:public_id>/lab/change/", lab.lab_change, name="lab-change"),
    path("t/<str:public_id>/lab/message/", lab.lab_message, name="lab-message"),
    path("t/<str:public_id>/dates/", dates.dates_show, name="dates"),
    path("t/<str:public_id>/dates/working-time/", dates.working_time, name="working-time"),
    path("t/<str:public_id>/dates/baseline/", dates.baseline_take, name="baseline-take"),
    path("t/<str:public_id>/dates/bulk/", dates.tasks_bulk, name="tasks-bulk"),
    path("t/<str:public_id>/holidays/", dates.holiday_add, name="holiday-add"),
    path(
        "t/<str:public_id>/holidays/<str:holiday_id>/remove/",
        dates.holiday_remove,
        name="holiday-remove",
    ),
    path("t/<str:public_id>/freezes/", dates.freeze_add, name="freeze-add"),
    path(
        "t/<str:public_id>/freezes/<str:freeze_id>/remove/",
        dates.freeze_remove,
        name="freeze-remove",
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/due/", dates.task_due, name="task-due"),
    path("t/<str:public_id>/tasks/<str:task_id>/assign/", dates.task_assign, name="task-assign"),
    path("t/<str:public_id>/tasks/<str:task_id>/remind/", dates.task_remind, name="task-remind"),
    path("t/<str:public_id>/tasks/<str:task_id>/files/", files.file_add, name="file-add"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/files/<str:file_id>/",
        files.file_show,
        name="file-show",
    ),
    path("t/<str:public_id>/watch/", watch.watch, name="watch"),
    path(
        "t/<str:public_id>/watch/<str:drift_id>/acknowledge/",
        watch.drift_acknowledge,
        name="drift-acknowledge",
    ),
    path("t/<str:public_id>/watch/<str:drift_id>/settle/", watch.drift_settle, name="drift-settle"),
    path("t/<str:public_id>/watch/<str:drift_id>/mute/", watch.drift_mute, name="drift-mute"),
    path("t/<str:public_id>/watch/<str:drift_id>/unmute/", watch.drift_unmute, name="drift-unmute"),
    *cutovers.urlpatterns,
    *people.urlpatterns,
    *sheets.urlpatterns,
    *templates.urlpatterns,
]
