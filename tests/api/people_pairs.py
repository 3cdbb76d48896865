"""The actions that test_same_results.py compares: the form of each page and its API request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.access_matrix import TENANT_ROWS
from tests.api import people_examples

_SUGGESTION = {"suggestion": "onmicrosoft=northwind.mail.onmicrosoft.com"}
_VALUES = {"ownership_token": "mimecast-2f6c", "ownership_label": ""}
_HOOK = people_examples.BODIES["post webhooks/"]
_LINK = {"recipient": "The DNS team", "days": 7}


@dataclass(frozen=True)
class Pair:
    """One action: the name and the form of its page, and the request to its endpoint.

    A key of the sample objects in braces becomes its id. `sentence` is the refusal of both.
    """

    page: str
    form: Mapping[str, Any]
    method: str
    path: str
    body: Any = field(default_factory=dict)
    sentence: str = ""


_WEBHOOKS = [
    pair
    for prefix, of, base in (("", "", "tenants/{public_id}/"), ("all-", "common_", ""))
    for hook in [f"{base}webhooks/{{{of}webhook_id}}/"]
    for pair in (
        Pair(f"{prefix}webhooks", _HOOK, "POST", f"{base}webhooks/", _HOOK),
        Pair(f"{prefix}webhook-pause", {}, "POST", f"{hook}pause/"),
        Pair(f"{prefix}webhook-rotate", {}, "POST", f"{hook}rotate/"),
        Pair(f"{prefix}webhook-test", {}, "POST", f"{hook}test/"),
        Pair(f"{prefix}webhook-remove", {}, "DELETE", hook, None),
        Pair(
            f"{prefix}webhook-redeliver",
            {},
            "POST",
            f"{hook}messages/{{{of}message_id}}/redeliver/",
        ),
    )
]
TENANT = "tenants/{public_id}/"
_VALUE = f"{TENANT}domains/{{domain_id}}/values/ownership/"
_SHEET = f"{TENANT}requirements/{{sheet_id}}/"
_ENTERED = {**_VALUES, "expected": "{state}"}
_ROLE = {"role": "viewer"}
INVITATION = {"email": "dana@one.test", "role": "member"}
_VIEW = {"name": "My view", "query": "risk=any", "is_shared": True}
_STAFF = {"name": "Sam West", "email": "sam@gangway.test", "role": "consultant"}
_HOST = {"name": "mail2.one.test", "port": 25}
_DELIVERY = {"name": "one-test.mail.protection.outlook.com", "recipient": "postmaster@one.test"}
REASON = {"reason": "The client ended the contract."}
_PASTED = {"pasted": "dave@outside.test\n"}
_ROWS = {"pasted": TENANT_ROWS}
_FEED = {"scope": "tenant", "tenant": "{public_id}"}
_FILE = {"file": "The connector is enabled.\n"}
PAIRS = [
    *_WEBHOOKS,
    Pair("person-role", _ROLE, "PATCH", f"{TENANT}people/{{person_id}}/", _ROLE),
    Pair("person-remove", {}, "DELETE", f"{TENANT}people/{{person_id}}/", None),
    Pair("invite", INVITATION, "POST", f"{TENANT}invitations/", INVITATION),
    Pair("invitation-resend", {}, "POST", f"{TENANT}invitations/{{invitation_id}}/resend/"),
    Pair("invitation-revoke", {}, "DELETE", f"{TENANT}invitations/{{invitation_id}}/", None),
    Pair("task-share-link", _LINK, "POST", f"{TENANT}tasks/{{task_id}}/share-links/", _LINK),
    Pair(
        "domain-share-link",
        {**_LINK, "domain": "{domain_id}"},
        "POST",
        f"{TENANT}domains/{{domain_id}}/share-links/",
        _LINK,
    ),
    Pair("share-link-revoke", {}, "DELETE", f"{TENANT}share-links/{{share_link_id}}/", None),
    Pair("file-add", _FILE, "UPLOAD", f"{TENANT}tasks/{{task_id}}/files/", _FILE),
    Pair("domain-value-enter", _ENTERED, "POST", _VALUE, {"values": _VALUES}),
    Pair("domain-value-confirm", {"expected": "{fingerprint}"}, "POST", f"{_VALUE}confirm/"),
    Pair(
        "domain-value-reject",
        {**REASON, "expected": "{fingerprint}"},
        "POST",
        f"{_VALUE}reject/",
        REASON,
    ),
    Pair("host-enter", _HOST, "POST", f"{TENANT}proposed-hosts/", _HOST),
    Pair(
        "host-confirm",
        {"consent": "yes"},
        "POST",
        f"{TENANT}hosts/{{host_id}}/confirm/",
        {"consent": True},
    ),
    Pair("host-reject", REASON, "POST", f"{TENANT}hosts/{{host_id}}/reject/", REASON),
    Pair("delivery-host", _DELIVERY, "POST", f"{TENANT}delivery-host/", _DELIVERY),
    *(
        Pair(
            f"suggestion-{action}",
            _SUGGESTION,
            "POST",
            f"{TENANT}domains/{{domain_id}}/suggestions/{action}/",
            _SUGGESTION,
        )
        for action in ("use", "dismiss")
    ),
    Pair("requirements-import", _PASTED, "UPLOAD", f"{_SHEET}imports/", _PASTED),
    Pair(
        "requirements-import-confirm",
        {"duplicates": "skip"},
        "POST",
        f"{_SHEET}imports/{{import_id}}/confirm/",
        {"duplicates": "skip"},
    ),
    Pair("requirements-import-discard", {}, "DELETE", f"{_SHEET}imports/{{import_id}}/", None),
    Pair("tenant-close", REASON, "POST", f"{TENANT}close/", REASON),
    Pair("export-request", {}, "POST", f"{TENANT}exports/"),
    Pair("archive-request", {}, "POST", f"{TENANT}archives/"),
    Pair("archive-import", _FILE, "UPLOAD", "archive-imports/", _FILE),
    Pair("archive-import-confirm", {}, "POST", "archive-imports/{archive_import_id}/confirm/"),
    Pair("archive-import-discard", {}, "DELETE", "archive-imports/{archive_import_id}/", None),
    Pair("tenant-erase", {"name": "Northwind"}, "POST", f"{TENANT}erase/", {"name": "Northwind"}),
    Pair("saved-view-create", _VIEW, "POST", "saved-views/", _VIEW),
    Pair("saved-view-change", _VIEW, "PATCH", "saved-views/{saved_view_id}/", _VIEW),
    Pair("saved-view-remove", {}, "DELETE", "saved-views/{saved_view_id}/", None),
    Pair(
        "tenants-bulk",
        {"tenant": "{public_id}", "action": "run-checks"},
        "POST",
        "tenants/bulk/",
        {"tenants": ["{public_id}"], "action": "run-checks"},
    ),
    Pair("calendar-feeds", _FEED, "POST", "calendar-feeds/", _FEED),
    Pair("staff-add", _STAFF, "POST", "staff/", _STAFF),
    Pair("staff-change", {"role": "manager"}, "PATCH", "staff/{staff_id}/", {"role": "manager"}),
    Pair("person-deactivate", {}, "POST", "staff/{staff_id}/deactivate/"),
    Pair("tenant-import", _ROWS, "UPLOAD", "tenant-imports/", _ROWS),
    Pair("tenant-import-confirm", {}, "POST", "tenant-imports/{tenant_import_id}/confirm/"),
    Pair("tenant-import-discard", {}, "DELETE", "tenant-imports/{tenant_import_id}/", None),
]
_NOTHING = {"suggestion": "onmicrosoft=other.mail.onmicrosoft.com"}
REFUSED = [
    Pair(
        "invite",
        {**INVITATION, "email": "helper@one.test"},
        "POST",
        f"{TENANT}invitations/",
        {**INVITATION, "email": "helper@one.test"},
        "helper@one.test is already a member. Change the role in the list.",
    ),
    Pair(
        "person-role",
        {"role": "king"},
        "PATCH",
        f"{TENANT}people/{{person_id}}/",
        {"role": "king"},
        "Choose owner, member or viewer. Nothing was changed.",
    ),
    Pair(
        "task-share-link",
        {**_LINK, "days": 400},
        "POST",
        f"{TENANT}tasks/{{task_id}}/share-links/",
        {**_LINK, "days": 400},
        "Choose the number of days from the list. No link was created.",
    ),
    Pair(
        "file-add",
        {"file": ""},
        "UPLOAD",
        f"{TENANT}tasks/{{task_id}}/files/",
        {"file": ""},
        "note.txt was not added: it is empty.",
    ),
    Pair(
        "host-enter",
        {"name": "mail.one.test", "port": 25},
        "POST",
        f"{TENANT}proposed-hosts/",
        {"name": "mail.one.test", "port": 25},
        "mail.one.test:25 is in the list already.",
    ),
    Pair(
        "delivery-host",
        {"name": "mail.one.test"},
        "POST",
        f"{TENANT}delivery-host/",
        {"name": "mail.one.test"},
        "mail.one.test is already a delivery host. Nothing was changed.",
    ),
    Pair(
        "suggestion-use",
        _NOTHING,
        "POST",
        f"{TENANT}domains/{{domain_id}}/suggestions/use/",
        _NOTHING,
        "This suggestion is no longer open. Nothing was changed.",
    ),
    Pair(
        "requirements-import",
        {},
        "UPLOAD",
        f"{_SHEET}imports/",
        {},
        "Paste rows here, or choose a file.",
    ),
    Pair(
        "requirements-import-confirm",
        {"duplicates": "burn"},
        "POST",
        f"{_SHEET}imports/{{import_id}}/confirm/",
        {"duplicates": "burn"},
        "Choose what to do with entries that differ.",
    ),
    Pair(
        "requirements-suggestion-use",
        {"suggestion": ""},
        "POST",
        f"{_SHEET}senders/",
        {"suggestion": ""},
        "The suggestion no longer exists. Nothing was added.",
    ),
    Pair(
        "requirements-answer-use",
        {"question": ""},
        "POST",
        f"{_SHEET}answers/",
        {"question": ""},
        "This answer is no longer open. Nothing was changed.",
    ),
    Pair(
        "requirements-host-use",
        {"host": "{host_id}"},
        "POST",
        f"{_SHEET}hosts/",
        {"host": "{host_id}"},
        "The sheet has this host already. Nothing was added.",
    ),
    Pair(
        "host-from-sheet",
        {"host": "mail.one.test:25"},
        "POST",
        f"{_SHEET}profile-hosts/",
        {"host": "mail.one.test:25"},
        "This difference no longer exists. Nothing was changed.",
    ),
    Pair(
        "tenant-erase",
        {"name": "Southwind"},
        "POST",
        f"{TENANT}erase/",
        {"name": "Southwind"},
        "The name does not match. Nothing was erased.",
    ),
    Pair(
        "checks-start",
        {},
        "POST",
        f"{TENANT}start-checks/",
        {},
        "The checks of this tenant run already.",
    ),
    Pair(
        "closing-pack-request",
        {},
        "POST",
        f"{TENANT}closing-packs/",
        {},
        "The closing pack is available after both sides sign off the implementation.",
    ),
    Pair(
        "staff-change",
        {"role": "king"},
        "PATCH",
        "staff/{staff_id}/",
        {"role": "king"},
        "Choose a staff role from the list. Nothing was changed.",
    ),
    Pair(
        "webhooks",
        {**_HOOK, "secret_address": "http://desk.example/hooks"},
        "POST",
        f"{TENANT}webhooks/",
        {**_HOOK, "secret_address": "http://desk.example/hooks"},
        "Enter an address that starts with https.",
    ),
]
# They need other objects: test_closed_tenant_is_reopened, test_secrets.py, test_people.py,
# test_sheet_suggestions.py.
OF_OWN_TESTS = {
    "tenant-reopen",
    "calendar-feed-revoke",
    "person-activate",
    "requirements-partners-test",
}
# The actions with an endpoint that these tests cover.
COMPARED = {
    f"onboarding:{name}" for name in (*OF_OWN_TESTS, *(pair.page for pair in (*PAIRS, *REFUSED)))
}
