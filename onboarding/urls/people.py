"""People: members, contacts, staff and hand-off links; and how a tenant leaves."""

from __future__ import annotations

from django.urls import path

from onboarding.views import contacts, handoff, leaving, people, staff

urlpatterns = [
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
    path("people/", staff.staff_show, name="staff"),
    path("people/add/", staff.staff_add, name="staff-add"),
    path("people/log/", staff.installation_log, name="installation-log"),
    path("people/<str:person_id>/role/", staff.staff_change, name="staff-change"),
    path("people/<str:person_id>/deactivate/", staff.person_deactivate, name="person-deactivate"),
    path("people/<str:person_id>/activate/", staff.person_activate, name="person-activate"),
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
    path("t/<str:public_id>/leaving/", leaving.leaving_show, name="leaving"),
    path("t/<str:public_id>/leaving/close/", leaving.tenant_close, name="tenant-close"),
    path("t/<str:public_id>/leaving/reopen/", leaving.tenant_reopen, name="tenant-reopen"),
    path("t/<str:public_id>/leaving/erase/", leaving.tenant_erase, name="tenant-erase"),
    path("t/<str:public_id>/packs/", leaving.pack_request, name="pack-request"),
    path("t/<str:public_id>/packs/<str:pack_id>/", leaving.pack_show, name="pack-show"),
    path("t/<str:public_id>/exports/", leaving.export_request, name="export-request"),
    path("t/<str:public_id>/exports/<str:export_id>/", leaving.export_show, name="export-show"),
]
