"""Examples of the operations on people, links, files, imports, webhooks and the end of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.models import Discovery
from onboarding.calendar_feeds.feeds import create_feed
from onboarding.models import CalendarFeed
from tenants.models import Tenant
from tests.access_matrix import TENANT_ROWS

_BELOW = "/api/v1/tenants/{public_id}"
_SHEET = f"{_BELOW}/requirements/{{sheet_id}}"
_ROUTING = "northwind.mail.onmicrosoft.com"
_WEBHOOK = {
    "name": "Service desk",
    "secret_address": "https://desk.example/hooks",
    "format": "json",
    "events": ["drift.began", "drift.ended"],
}
BODIES: Mapping[str, Any] = {
    "patch people/{person_id}/": {"role": "viewer"},
    "post invitations/": {"email": "dana@one.test", "role": "member"},
    "post invitations/{invitation_id}/resend/": {},
    "post tasks/{task_id}/share-links/": {"recipient": "The DNS team", "days": 7},
    "post domains/{domain_id}/share-links/": {"recipient": "The DNS team", "days": 7},
    "post domains/{domain_id}/values/{kind}/": {
        "values": {"ownership_token": "mimecast-2f6c", "ownership_label": ""}
    },
    "post domains/{domain_id}/values/{kind}/confirm/": {},
    "post domains/{domain_id}/values/{kind}/reject/": {"reason": "The code has a typing error."},
    "post domains/{domain_id}/suggestions/use/": {"suggestion": f"onmicrosoft={_ROUTING}"},
    "post domains/{domain_id}/suggestions/dismiss/": {"suggestion": f"onmicrosoft={_ROUTING}"},
    "post proposed-hosts/": {"name": "mail2.one.test", "port": 25},
    "post hosts/{host_id}/confirm/": {"consent": True},
    "post hosts/{host_id}/reject/": {"reason": "This host is switched off."},
    "post delivery-host/": {
        "name": "one-test.mail.protection.outlook.com",
        "recipient": "postmaster@one.test",
        "consent": True,
    },
    "post requirements/{sheet_id}/profile-hosts/": {"host": "mail.one.test:25"},
    "post requirements/{sheet_id}/senders/": {"suggestion": "one.test include:spf.example"},
    "post requirements/{sheet_id}/answers/": {"question": ""},
    "post requirements/{sheet_id}/hosts/": {"host": "{host_id}"},
    "post requirements/{sheet_id}/partner-tests/": {},
    "post requirements/{sheet_id}/imports/{import_id}/confirm/": {"duplicates": "skip"},
    "post close/": {"reason": "The client ended the contract."},
    "post reopen/": {"reason": "The client continues in January."},
    "post erase/": {"name": "Northwind"},
    "post exports/": {},
    "post archives/": {},
    "post start-checks/": {},
    "post /archive-imports/{archive_import_id}/confirm/": {},
    "post closing-packs/": {},
    "post /calendar-feeds/": {"scope": "tenant", "tenant": "{public_id}"},
    "post /notifications/read/": {"newest": "{notification_id}"},
    "post /notifications/{notification_id}/read/": {},
    "post /tenants/bulk/": {"action": "run-checks", "tenants": ["{public_id}"]},
    "post /saved-views/": {"name": "My view", "query": "risk=any&sort=waiting", "is_shared": True},
    "patch /saved-views/{saved_view_id}/": {"name": "Tenants at risk"},
    "post /staff/": {"name": "Sam West", "email": "sam@gangway.test", "role": "consultant"},
    "patch /staff/{staff_id}/": {"role": "manager", "followed_consultants": []},
    "post /staff/{staff_id}/deactivate/": {},
    "post /staff/{staff_id}/activate/": {},
    "post /tenant-imports/{tenant_import_id}/confirm/": {},
    **{
        f"post {prefix}webhooks/{below}": body
        for prefix, of in (("", ""), ("/", "common_"))
        for below, body in {
            "": _WEBHOOK,
            **{
                f"{{{of}webhook_id}}/{action}/": {}
                for action in ("pause", "resume", "rotate", "test")
            },
            f"{{{of}webhook_id}}/messages/{{{of}message_id}}/redeliver/": {},
        }.items()
    },
}
# Forms with a file.
UPLOADS: Mapping[str, Mapping[str, str]] = {
    "post tasks/{task_id}/files/": {"file": "The connector is enabled.\n"},
    "post requirements/{sheet_id}/imports/": {"pasted": "dave@outside.test\n"},
    "post /tenant-imports/": {"pasted": TENANT_ROWS},
    "post /archive-imports/": {"file": "{}"},
}
# In place of secrets: a real one would alarm secret scanners.
PLACEHOLDERS = {
    "secret": "whsec_a-secret-that-appears-once",
    "address": "https://gangway.example/a-secret-address-that-appears-once",
}
# They have no JSON body: the contents of archives.
WITHOUT_RESPONSE = {
    f"get {_BELOW}/exports/{{export_id}}/content/",
    f"get {_BELOW}/archives/{{archive_id}}/content/",
    f"get {_BELOW}/closing-packs/{{closing_pack_id}}/content/",
}
# The sample objects refuse them: another sheet, an implementation that is not complete.
REFUSED = {
    f"post {_SHEET}/profile-hosts/": 422,
    f"post {_SHEET}/senders/": 422,
    f"post {_SHEET}/answers/": 422,
    f"post {_SHEET}/hosts/": 422,
    f"post {_BELOW}/closing-packs/": 422,
    f"post {_BELOW}/start-checks/": 422,
}
RESPONSES: Mapping[str, Any] = {
    f"post {_SHEET}/senders/": {"added": 1},
    f"post {_SHEET}/answers/": {"added": 3},
    f"post {_SHEET}/hosts/": {"added": 2},
    f"post {_SHEET}/profile-hosts/": {
        "id": "aPublicIdOfAHost",
        "purpose": "delivery",
        "name": "mail.one.test",
        "port": 25,
        "recipient": "",
        "consented_at": None,
        "is_proposed": False,
        "created_at": "2026-11-29T09:00:00Z",
    },
    f"post {_BELOW}/closing-packs/": {
        "id": "aPublicIdOfAPack",
        "requested_by": {"id": "aPublicIdOfAPerson", "name": "Con Sultant"},
        "requested_at": "2026-11-29T09:00:00Z",
        "ready_at": None,
        "size": 0,
        "seal": "",
    },
}
_OF_ADMINISTRATORS = (
    *("/api/v1/staff/", "/api/v1/webhooks/", "/api/v1/archive-imports/"),
    *(f"{_BELOW}/exp", f"{_BELOW}/archives/", f"{_BELOW}/erase/"),
)


def is_for_administrators(path: str) -> bool:
    return path.startswith(_OF_ADMINISTRATORS)


def prepare(tenant: Tenant) -> None:
    """Store the result of a DNS scan for the suggestions, and a feed of the consultant."""
    Discovery.objects.filter(domain__tenant=tenant).update(found={"onmicrosoft": _ROUTING})
    tenant.refresh_from_db()
    assert tenant.consultant is not None, "create_one_of_each has stored one"
    create_feed(CalendarFeed.Scope.TEAM, tenant=None, site="", by=tenant.consultant)
