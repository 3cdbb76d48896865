"""URLs of the requirements sheets and their imports."""

from __future__ import annotations

from django.urls import path

from onboarding.requirements.views import imports, overview, sheets

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("requirements/", overview.requirements, name="requirements"),
    path("requirements/<str:sheet_id>/", sheets.sheet_show, name="requirements-sheet"),
    path("requirements/<str:sheet_id>/rows/", sheets.sheet_row_add, name="requirements-row-add"),
    path(
        "requirements/<str:sheet_id>/rows/<str:row_id>/", sheets.sheet_row, name="requirements-row"
    ),
    path(
        "requirements/<str:sheet_id>/rows/<str:row_id>/remove/",
        sheets.sheet_row_remove,
        name="requirements-row-remove",
    ),
    path("requirements/<str:sheet_id>/sign-off/", sheets.sheet_sign, name="requirements-sign-off"),
    path(
        "requirements/<str:sheet_id>/sign-off/withdraw/",
        sheets.sheet_unsign,
        name="requirements-sign-off-withdraw",
    ),
    path(
        "requirements/<str:sheet_id>/suggestions/use/",
        sheets.sheet_suggestion_use,
        name="requirements-suggestion-use",
    ),
    path(
        "requirements/<str:sheet_id>/answers/use/",
        sheets.sheet_answer_use,
        name="requirements-answer-use",
    ),
    path(
        "requirements/<str:sheet_id>/hosts/use/",
        sheets.sheet_host_use,
        name="requirements-host-use",
    ),
    path(
        "requirements/<str:sheet_id>/partners/test/",
        sheets.sheet_partners_test,
        name="requirements-partners-test",
    ),
    path("requirements/<str:sheet_id>/export/", sheets.sheet_export, name="requirements-export"),
    path("requirements/<str:sheet_id>/imports/", imports.sheet_import, name="requirements-import"),
    path(
        "requirements/<str:sheet_id>/imports/<str:import_id>/",
        imports.sheet_import_show,
        name="requirements-import-show",
    ),
    path(
        "requirements/<str:sheet_id>/imports/<str:import_id>/confirm/",
        imports.sheet_import_confirm,
        name="requirements-import-confirm",
    ),
    path(
        "requirements/<str:sheet_id>/imports/<str:import_id>/discard/",
        imports.sheet_import_discard,
        name="requirements-import-discard",
    ),
]
