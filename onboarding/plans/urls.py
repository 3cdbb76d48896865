"""URLs of the actions on tasks."""

from __future__ import annotations

from django.urls import path

from onboarding.plans.views import custom_tasks, task_fields, tasks, transitions

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("tasks/<str:task_id>/confirm/", tasks.task_confirm, name="task-confirm"),
    path("tasks/<str:task_id>/withdraw/", tasks.task_withdraw, name="task-withdraw"),
    path("custom-tasks/", custom_tasks.custom_task_add, name="custom-task-add"),
    path("tasks/<str:task_id>/edit/", custom_tasks.custom_task_edit, name="custom-task-edit"),
    path("tasks/<str:task_id>/remove/", custom_tasks.custom_task_remove, name="custom-task-remove"),
    path("tasks/<str:task_id>/run/", tasks.task_check, name="task-check-run"),
    path(
        "tasks/<str:task_id>/responsibility/", tasks.task_responsibility, name="task-responsibility"
    ),
    path(
        "tasks/<str:task_id>/transitions/<str:transition>/",
        transitions.task_transition,
        name="task-transition",
    ),
    path("tasks/<str:task_id>/fields/", task_fields.task_fields, name="task-fields"),
    path("tasks/<str:task_id>/undo/", transitions.task_undo, name="task-undo"),
    path(
        "tasks/<str:task_id>/domains/<str:domain_id>/confirm/",
        transitions.task_domain_confirm,
        name="task-domain-confirm",
    ),
    path(
        "tasks/<str:task_id>/domains/<str:domain_id>/withdraw/",
        transitions.task_domain_withdraw,
        name="task-domain-withdraw",
    ),
    path(
        "tasks/<str:task_id>/domains/<str:domain_id>/exempt/",
        transitions.task_domain_exempt,
        name="task-domain-exempt",
    ),
    path(
        "tasks/<str:task_id>/domains/<str:domain_id>/include/",
        transitions.task_domain_include,
        name="task-domain-include",
    ),
]
