"""URLs of the home pages, the dashboard, the search and the pages of one tenant."""

from __future__ import annotations

from django.urls import path

from onboarding.portfolio.views import (
    dashboard,
    dashboard_lists,
    design,
    desk,
    domains,
    home,
    lab,
    live,
    plan,
    schedule,
    search,
    setup,
    shared_page,
    staff,
    tenant_list,
    test_message,
    workers,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("setup/", setup.setup_show, name="setup"),
    path("setup/mail-test/", setup.mail_test, name="setup-mail-test"),
    path("setup/regions/", setup.regions_review, name="setup-regions"),
    path("setup/finish/", setup.setup_finish, name="setup-finish"),
    path("desk/", desk.desk, name="desk"),
    path("desk/remind/", desk.desk_remind, name="desk-remind"),
    path("design/", design.design, name="design"),
    path("search/", search.search, name="search"),
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("dashboard/export/", dashboard.dashboard_export, name="dashboard-csv"),
    path("dashboard/cutovers/", dashboard_lists.cutover_list, name="dashboard-cutovers"),
    path("dashboard/forecasts/", dashboard_lists.forecast_list, name="dashboard-forecasts"),
    path("dashboard/phases/", dashboard_lists.phase_list, name="dashboard-phases"),
    path("dashboard/go-lives/", dashboard_lists.go_live_list, name="dashboard-go-lives"),
    path(
        "dashboard/accepted-risks/",
        dashboard_lists.accepted_risk_list,
        name="dashboard-accepted-risks",
    ),
    path("tenants/", tenant_list.tenant_list, name="tenant-list"),
    path("tenants/export/", tenant_list.tenant_export, name="tenant-export"),
    path("tenants/bulk/", tenant_list.tenants_bulk, name="tenants-bulk"),
    path("tenants/views/add/", tenant_list.saved_view_create, name="saved-view-create"),
    path(
        "tenants/views/<str:saved_view_id>/",
        tenant_list.saved_view_change,
        name="saved-view-change",
    ),
    path(
        "tenants/views/<str:saved_view_id>/remove/",
        tenant_list.saved_view_remove,
        name="saved-view-remove",
    ),
    path("revision/", live.portfolio_revision, name="portfolio-revision"),
    path("people/", staff.staff_show, name="staff"),
    path("people/add/", staff.staff_add, name="staff-add"),
    path("people/audit-log/", staff.installation_log, name="audit-log"),
    path("workers/", workers.worker_list, name="worker-list"),
    path("people/<str:person_id>/role/", staff.staff_change, name="staff-change"),
    path("people/<str:person_id>/deactivate/", staff.person_deactivate, name="person-deactivate"),
    path("people/<str:person_id>/activate/", staff.person_activate, name="person-activate"),
    path("h/<str:token>/", shared_page.share_link_show, name="share-link"),
    path("h/<str:token>/revision/", live.share_link_revision, name="share-link-revision"),
    path("h/<str:token>/run/", shared_page.share_link_check, name="share-link-check-run"),
]

# Below live/, which the proxy passes to the stream process.
live_urlpatterns = [
    path("revision/", live.portfolio_revision_stream, name="portfolio-revision-stream"),
    path("t/<str:public_id>/revision/", live.revision_stream, name="revision-stream"),
    path(
        "h/<str:token>/revision/",
        live.share_link_revision_stream,
        name="share-link-revision-stream",
    ),
]

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("", plan.plan_show, name="plan-show"),
    path("my-tasks/", plan.my_tasks, name="my-tasks"),
    path("revision/", plan.revision, name="revision"),
    path("activity/", plan.activity, name="activity"),
    path("domains/", domains.domains, name="domains"),
    path("run/", domains.run_all_checks, name="check-run-all"),
    path("checks/<str:check_id>/run/", domains.check_run, name="check-run"),
    path("checks/<str:check_id>/test-message/", test_message.message, name="test-message"),
    path(
        "checks/<str:check_id>/test-message/submit/",
        test_message.message_submit,
        name="test-message-submit",
    ),
    path("lab/", lab.lab_show, name="lab"),
    path("lab/change/", lab.lab_change, name="lab-change"),
    path("lab/test-message/", lab.lab_message, name="lab-test-message"),
    path("schedule/", schedule.dates_show, name="schedule"),
    path("schedule/working-time/", schedule.working_time, name="working-time"),
    path("schedule/original/", schedule.save_original_schedule, name="original-schedule-save"),
    path("schedule/bulk/", schedule.tasks_bulk, name="tasks-bulk"),
    path("holidays/", schedule.holiday_add, name="holiday-add"),
    path("holidays/<str:holiday_id>/remove/", schedule.holiday_remove, name="holiday-remove"),
    path("freezes/", schedule.freeze_add, name="freeze-add"),
    path("freezes/<str:freeze_id>/remove/", schedule.freeze_remove, name="freeze-remove"),
    path("tasks/<str:task_id>/due/", schedule.task_due, name="task-due"),
    path("tasks/<str:task_id>/assign/", schedule.task_assign, name="task-assign"),
    path("tasks/<str:task_id>/remind/", schedule.task_remind, name="task-remind"),
]
