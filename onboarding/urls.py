"""Onboarding's addresses: nouns, with each act a POST below its noun."""

from __future__ import annotations

from django.urls import path

from onboarding.views import (
    checks,
    contacts,
    cutover,
    dashboard,
    dates,
    discovery,
    files,
    freezes,
    handoff,
    lab,
    leaving,
    message,
    moves,
    on_call,
    own_tasks,
    people,
    plan,
    plan_version,
    planning,
    preflight,
    rehearsal,
    search,
    sheet_imports,
    sheets,
    staff,
    talk,
    template_steps,
    templates,
    tenants,
    voting,
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
    # --- Plan templates
    path("templates/", templates.templates_show, name="templates"),
    path("templates/draft/", templates.draft_show, name="template-draft"),
    path("templates/draft/begin/", templates.draft_begin, name="template-draft-begin"),
    path("templates/draft/drop/", templates.draft_drop, name="template-draft-drop"),
    path("templates/draft/preview/", templates.draft_preview, name="template-preview"),
    path("templates/draft/publish/", templates.draft_publish, name="template-publish"),
    path("templates/draft/steps/", template_steps.step_add, name="template-step-add"),
    path("templates/draft/steps/<str:key>/", template_steps.step_edit, name="template-step"),
    path(
        "templates/draft/steps/<str:key>/move/",
        template_steps.step_move,
        name="template-step-move",
    ),
    path(
        "templates/draft/steps/<str:key>/remove/",
        template_steps.step_remove,
        name="template-step-remove",
    ),
    path("templates/draft/phases/", template_steps.phase_add, name="template-phase-add"),
    path("templates/draft/phases/<str:key>/", template_steps.phase_edit, name="template-phase"),
    path(
        "templates/draft/phases/<str:key>/move/",
        template_steps.phase_move,
        name="template-phase-move",
    ),
    path(
        "templates/draft/phases/<str:key>/remove/",
        template_steps.phase_remove,
        name="template-phase-remove",
    ),
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
    # --- People
    path("t/<str:public_id>/people/", people.people_show, name="people"),
    path("t/<str:public_id>/people/invite/", people.invite, name="invite"),
    path("t/<str:public_id>/people/<str:person_id>/role/", people.person_role, name="person-role"),
    path(
        "t/<str:public_id>/people/<str:person_id>/remove/",
        people.person_remove,
        name="person-remove",
    ),
    path(
        "t/<str:public_id>/invitations/<str:invitation_id>/resend/",
        people.invitation_resend,
        name="invitation-resend",
    ),
    path(
        "t/<str:public_id>/invitations/<str:invitation_id>/revoke/",
        people.invitation_revoke,
        name="invitation-revoke",
    ),
    path("t/<str:public_id>/contacts/", contacts.contact_add, name="contact-add"),
    path(
        "t/<str:public_id>/contacts/<str:contact_id>/",
        contacts.contact_change,
        name="contact-change",
    ),
    path(
        "t/<str:public_id>/contacts/<str:contact_id>/remove/",
        contacts.contact_remove,
        name="contact-remove",
    ),
    # --- Dates
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
    path("freezes/", freezes.freezes_show, name="freezes"),
    path(
        "freezes/<str:common_freeze_id>/remove/",
        freezes.freeze_remove,
        name="common-freeze-remove",
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/due/", dates.task_due, name="task-due"),
    path("t/<str:public_id>/tasks/<str:task_id>/assign/", dates.task_assign, name="task-assign"),
    path("t/<str:public_id>/tasks/<str:task_id>/remind/", dates.task_remind, name="task-remind"),
    path("people/", staff.staff_show, name="staff"),
    path("people/add/", staff.staff_add, name="staff-add"),
    path("people/log/", staff.installation_log, name="installation-log"),
    path("people/<str:person_id>/role/", staff.staff_change, name="staff-change"),
    path("people/<str:person_id>/deactivate/", staff.person_deactivate, name="person-deactivate"),
    path("people/<str:person_id>/activate/", staff.person_activate, name="person-activate"),
    # --- Hand-offs
    path(
        "t/<str:public_id>/tasks/<str:task_id>/hand-off/",
        handoff.task_hand_off,
        name="task-hand-off",
    ),
    path("t/<str:public_id>/hand-offs/", handoff.domain_hand_off, name="domain-hand-off"),
    path(
        "t/<str:public_id>/hand-offs/<str:hand_off_id>/revoke/",
        handoff.hand_off_revoke,
        name="hand-off-revoke",
    ),
    path("h/<str:token>/", handoff.hand_off, name="hand-off"),
    path("h/<str:token>/revision/", handoff.hand_off_revision, name="hand-off-revision"),
    path("h/<str:token>/look/", handoff.hand_off_look, name="hand-off-look"),
    # --- Files
    path("t/<str:public_id>/tasks/<str:task_id>/files/", files.file_add, name="file-add"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/files/<str:file_id>/",
        files.file_show,
        name="file-show",
    ),
    # --- Requirements sheets
    path("t/<str:public_id>/sheets/<str:sheet_id>/", sheets.sheet_show, name="sheet-show"),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/rows/", sheets.sheet_row_add, name="sheet-row-add"
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/rows/<str:row_id>/",
        sheets.sheet_row,
        name="sheet-row",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/rows/<str:row_id>/remove/",
        sheets.sheet_row_remove,
        name="sheet-row-remove",
    ),
    path("t/<str:public_id>/sheets/<str:sheet_id>/sign/", sheets.sheet_sign, name="sheet-sign"),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/unsign/", sheets.sheet_unsign, name="sheet-unsign"
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/suggestions/use/",
        sheets.sheet_suggestion_use,
        name="sheet-suggestion-use",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/export/",
        sheets.sheet_export,
        name="sheet-export",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/imports/",
        sheet_imports.sheet_import,
        name="sheet-import",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/imports/<str:import_id>/",
        sheet_imports.sheet_import_show,
        name="sheet-import-show",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/imports/<str:import_id>/confirm/",
        sheet_imports.sheet_import_confirm,
        name="sheet-import-confirm",
    ),
    path(
        "t/<str:public_id>/sheets/<str:sheet_id>/imports/<str:import_id>/drop/",
        sheet_imports.sheet_import_drop,
        name="sheet-import-drop",
    ),
    # --- The watch after go-live
    path("t/<str:public_id>/watch/", watch.watch, name="watch"),
    path(
        "t/<str:public_id>/watch/<str:drift_id>/acknowledge/",
        watch.drift_acknowledge,
        name="drift-acknowledge",
    ),
    path("t/<str:public_id>/watch/<str:drift_id>/settle/", watch.drift_settle, name="drift-settle"),
    path("t/<str:public_id>/watch/<str:drift_id>/mute/", watch.drift_mute, name="drift-mute"),
    path("t/<str:public_id>/watch/<str:drift_id>/unmute/", watch.drift_unmute, name="drift-unmute"),
    # --- Leaving
    path("t/<str:public_id>/leaving/", leaving.leaving_show, name="leaving"),
    path("t/<str:public_id>/leaving/close/", leaving.tenant_close, name="tenant-close"),
    path("t/<str:public_id>/leaving/reopen/", leaving.tenant_reopen, name="tenant-reopen"),
    path("t/<str:public_id>/leaving/erase/", leaving.tenant_erase, name="tenant-erase"),
    path("t/<str:public_id>/packs/", leaving.pack_request, name="pack-request"),
    path("t/<str:public_id>/packs/<str:pack_id>/", leaving.pack_show, name="pack-show"),
    path("t/<str:public_id>/exports/", leaving.export_request, name="export-request"),
    path("t/<str:public_id>/exports/<str:export_id>/", leaving.export_show, name="export-show"),
]
