"""URLs of tenant creation, profile, people, closing, export and erasure."""

from __future__ import annotations

from django.urls import path

from onboarding.lifecycle.views import (
    archive,
    closing,
    delivery_host,
    dns_discovery,
    hosts_from_sheet,
    new_tenant,
    offboarding,
    people,
    profile,
    proposals,
    tenant_import,
)

urlpatterns = [
    path("tenants/new/", new_tenant.tenant_new, name="tenant-new"),
    path("tenants/new/profile/", new_tenant.tenant_create, name="tenant-create"),
    path("tenants/import/", tenant_import.tenant_import, name="tenant-import"),
    path("tenants/import/example/", tenant_import.example, name="tenant-import-example"),
    path(
        "tenants/import/<str:tenant_import_id>/",
        tenant_import.tenant_import_show,
        name="tenant-import-show",
    ),
    path(
        "tenants/import/<str:tenant_import_id>/confirm/",
        tenant_import.tenant_import_confirm,
        name="tenant-import-confirm",
    ),
    path(
        "tenants/import/<str:tenant_import_id>/discard/",
        tenant_import.tenant_import_discard,
        name="tenant-import-discard",
    ),
    path("tenants/import-archive/", archive.archive_import, name="archive-import"),
    path(
        "tenants/import-archive/<str:archive_import_id>/",
        archive.archive_import_show,
        name="archive-import-show",
    ),
    path(
        "tenants/import-archive/<str:archive_import_id>/confirm/",
        archive.archive_import_confirm,
        name="archive-import-confirm",
    ),
    path(
        "tenants/import-archive/<str:archive_import_id>/discard/",
        archive.archive_import_discard,
        name="archive-import-discard",
    ),
]

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("profile/", profile.profile_edit, name="profile-edit"),
    path("profile/zone-file/", profile.zone_file, name="zone-file"),
    path(
        "requirements/<str:sheet_id>/hosts/add-to-profile/",
        hosts_from_sheet.host_from_sheet,
        name="host-from-sheet",
    ),
    path("domains/<str:domain_id>/dns-scan/", dns_discovery.scan_dns, name="dns-scan"),
    path(
        "domains/<str:domain_id>/suggestions/use/",
        dns_discovery.suggestion_use,
        name="suggestion-use",
    ),
    path(
        "domains/<str:domain_id>/suggestions/dismiss/",
        dns_discovery.suggestion_dismiss,
        name="suggestion-dismiss",
    ),
    path("delivery-host/", delivery_host.delivery_host, name="delivery-host"),
    path(
        "domains/<str:domain_id>/values/<str:kind>/",
        proposals.domain_value_enter,
        name="domain-value-enter",
    ),
    path(
        "domains/<str:domain_id>/values/<str:kind>/confirm/",
        proposals.domain_value_confirm,
        name="domain-value-confirm",
    ),
    path(
        "domains/<str:domain_id>/values/<str:kind>/reject/",
        proposals.domain_value_reject,
        name="domain-value-reject",
    ),
    path("hosts/", proposals.host_enter, name="host-enter"),
    path("hosts/<str:host_id>/confirm/", proposals.host_confirm, name="host-confirm"),
    path("hosts/<str:host_id>/reject/", proposals.host_reject, name="host-reject"),
    path("region/", profile.region_values, name="region-values"),
    path("closing/", closing.closing_show, name="closing"),
    path("closing/risks/accept/", closing.risk_accept, name="residual-risk-accept"),
    path(
        "closing/risks/<str:risk_id>/withdraw/",
        closing.risk_withdraw,
        name="residual-risk-withdraw",
    ),
    path("sign-off/", closing.sign_off, name="sign-off"),
    path("people/", people.people_show, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<str:person_id>/role/", people.person_role, name="person-role"),
    path("people/<str:person_id>/remove/", people.person_remove, name="person-remove"),
    path(
        "invitations/<str:invitation_id>/resend/",
        people.invitation_resend,
        name="invitation-resend",
    ),
    path(
        "invitations/<str:invitation_id>/revoke/",
        people.invitation_revoke,
        name="invitation-revoke",
    ),
    path("offboarding/", offboarding.offboarding_show, name="offboarding"),
    path("offboarding/close/", offboarding.tenant_close, name="tenant-close"),
    path("offboarding/reopen/", offboarding.tenant_reopen, name="tenant-reopen"),
    path("offboarding/erase/", offboarding.tenant_erase, name="tenant-erase"),
    path("closing-packs/", offboarding.closing_pack_request, name="closing-pack-request"),
    path(
        "closing-packs/<str:closing_pack_id>/",
        offboarding.closing_pack_show,
        name="closing-pack-show",
    ),
    path("offboarding/start-checks/", archive.checks_start, name="checks-start"),
    path("archives/", archive.archive_request, name="archive-request"),
    path("archives/<str:archive_id>/", archive.archive_show, name="archive-show"),
    path("exports/", offboarding.export_request, name="export-request"),
    path("exports/<str:export_id>/", offboarding.export_show, name="export-show"),
]
