"""Requirements sheets: all of a tenant, one by one, and what is imported into them."""

from __future__ import annotations

from django.urls import path

from onboarding.views import requirements, sheet_imports, sheets

urlpatterns = [
    path("t/<str:public_id>/requirements/", requirements.requirements, name="requirements"),
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
]
