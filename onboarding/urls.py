"""Onboarding's addresses: nouns, with each act a POST below its noun."""

from __future__ import annotations

from django.urls import path

from onboarding.views import checks, dashboard, lab, plan, tenants

app_name = "onboarding"

urlpatterns = [
    path("", tenants.home, name="home"),
    path("search/", tenants.search, name="search"),
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
    path("t/<str:public_id>/region/", tenants.region_values, name="region-values"),
    path("t/<str:public_id>/cutovers/", plan.cutover_plan, name="cutover-plan"),
    path("t/<str:public_id>/look/", checks.look_at_all, name="look-at-all"),
    path("t/<str:public_id>/checks/<str:check_id>/look/", checks.check_look, name="check-look"),
    path("t/<str:public_id>/tasks/<str:task_id>/confirm/", plan.task_confirm, name="task-confirm"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/withdraw/", plan.task_withdraw, name="task-withdraw"
    ),
    path("t/<str:public_id>/tasks/<str:task_id>/look/", plan.task_look, name="task-look"),
    path(
        "t/<str:public_id>/tasks/<str:task_id>/responsibility/",
        plan.task_responsibility,
        name="task-responsibility",
    ),
    path("t/<str:public_id>/lab/", lab.lab_show, name="lab"),
    path("t/<str:public_id>/lab/change/", lab.lab_change, name="lab-change"),
]
