"""Actions on people, links, imports, webhooks and the end of a tenant: page and API are equal.

Each action runs on the page and through the API, from the same rows. Both must leave the same
numbers of rows in each table, and the same lines in the activity log.
"""

from __future__ import annotations

import functools
import html
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse

from onboarding.lifecycle.proposals import state_of
from onboarding.models import TenantImport
from tenants.activity_names import COMMITMENT
from tenants.models import ActivityLine, Membership, Tenant, User
from tenants.proposals import ProposalKind, proposal_of
from tenants.webhooks.models import WebhookMessage
from tests.access_matrix import TENANT_ROWS, create_one_of_each, routes
from tests.api import people_examples
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant, SignIn

# Random values, times, and digests of them.
_VOLATILE = ("share_link", "expires_at", "head", "lines", "api_token")
_INCIDENTAL = ("tenants_apitoken", "tenants_idempotentrequest")
_MODELS = [m for m in apps.get_models() if m._meta.app_label in ("tenants", "checks", "onboarding")]
_PARAMS = {route.name: list(route.params) for route in routes()}
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
_T = "tenants/{public_id}/"
_VALUE = f"{_T}domains/{{domain_id}}/values/ownership/"
_SHEET = f"{_T}requirements/{{sheet_id}}/"
_ENTERED = {**_VALUES, "expected": "{state}"}
_ROLE = {"role": "viewer"}
_INVITATION = {"email": "dana@one.test", "role": "member"}
_STAFF = {"name": "Sam West", "email": "sam@gangway.test", "role": "consultant"}
_HOST = {"name": "mail2.one.test", "port": 25}
_DELIVERY = {"name": "one-test.mail.protection.outlook.com", "recipient": "postmaster@one.test"}
_REASON = {"reason": "The client ended the contract."}
_PASTED = {"pasted": "dave@outside.test\n"}
_ROWS = {"pasted": TENANT_ROWS}
_FEED = {"scope": "tenant", "tenant": "{public_id}"}
_FILE = {"file": "The connector is enabled.\n"}
PAIRS = [
    *_WEBHOOKS,
    Pair("person-role", _ROLE, "PATCH", f"{_T}people/{{person_id}}/", _ROLE),
    Pair("person-remove", {}, "DELETE", f"{_T}people/{{person_id}}/", None),
    Pair("invite", _INVITATION, "POST", f"{_T}invitations/", _INVITATION),
    Pair("invitation-resend", {}, "POST", f"{_T}invitations/{{invitation_id}}/resend/"),
    Pair("invitation-revoke", {}, "DELETE", f"{_T}invitations/{{invitation_id}}/", None),
    Pair("task-share-link", _LINK, "POST", f"{_T}tasks/{{task_id}}/share-links/", _LINK),
    Pair(
        "domain-share-link",
        {**_LINK, "domain": "{domain_id}"},
        "POST",
        f"{_T}domains/{{domain_id}}/share-links/",
        _LINK,
    ),
    Pair("share-link-revoke", {}, "DELETE", f"{_T}share-links/{{share_link_id}}/", None),
    Pair("file-add", _FILE, "UPLOAD", f"{_T}tasks/{{task_id}}/files/", _FILE),
    Pair("domain-value-enter", _ENTERED, "POST", _VALUE, {"values": _VALUES}),
    Pair("domain-value-confirm", {"expected": "{fingerprint}"}, "POST", f"{_VALUE}confirm/"),
    Pair(
        "domain-value-reject",
        {**_REASON, "expected": "{fingerprint}"},
        "POST",
        f"{_VALUE}reject/",
        _REASON,
    ),
    Pair("host-enter", _HOST, "POST", f"{_T}proposed-hosts/", _HOST),
    Pair(
        "host-confirm",
        {"consent": "yes"},
        "POST",
        f"{_T}hosts/{{host_id}}/confirm/",
        {"consent": True},
    ),
    Pair("host-reject", _REASON, "POST", f"{_T}hosts/{{host_id}}/reject/", _REASON),
    Pair("delivery-host", _DELIVERY, "POST", f"{_T}delivery-host/", _DELIVERY),
    *(
        Pair(
            f"suggestion-{action}",
            _SUGGESTION,
            "POST",
            f"{_T}domains/{{domain_id}}/suggestions/{action}/",
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
    Pair("tenant-close", _REASON, "POST", f"{_T}close/", _REASON),
    Pair("export-request", {}, "POST", f"{_T}exports/"),
    Pair("tenant-erase", {"name": "Northwind"}, "POST", f"{_T}erase/", {"name": "Northwind"}),
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
        {**_INVITATION, "email": "helper@one.test"},
        "POST",
        f"{_T}invitations/",
        {**_INVITATION, "email": "helper@one.test"},
        "helper@one.test is already a member. Change the role in the list.",
    ),
    Pair(
        "person-role",
        {"role": "king"},
        "PATCH",
        f"{_T}people/{{person_id}}/",
        {"role": "king"},
        "Choose owner, member or viewer. Nothing was changed.",
    ),
    Pair(
        "task-share-link",
        {**_LINK, "days": 400},
        "POST",
        f"{_T}tasks/{{task_id}}/share-links/",
        {**_LINK, "days": 400},
        "Enter the recipient and the number of days. No link was created.",
    ),
    Pair(
        "file-add",
        {"file": ""},
        "UPLOAD",
        f"{_T}tasks/{{task_id}}/files/",
        {"file": ""},
        "note.txt was not added: it is empty.",
    ),
    Pair(
        "host-enter",
        {"name": "mail.one.test", "port": 25},
        "POST",
        f"{_T}proposed-hosts/",
        {"name": "mail.one.test", "port": 25},
        "mail.one.test:25 is in the list already.",
    ),
    Pair(
        "delivery-host",
        {"name": "mail.one.test"},
        "POST",
        f"{_T}delivery-host/",
        {"name": "mail.one.test"},
        "mail.one.test is already a delivery host. Nothing was changed.",
    ),
    Pair(
        "suggestion-use",
        _NOTHING,
        "POST",
        f"{_T}domains/{{domain_id}}/suggestions/use/",
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
        f"{_T}erase/",
        {"name": "Southwind"},
        "The name does not match. Nothing was erased.",
    ),
    Pair(
        "closing-pack-request",
        {},
        "POST",
        f"{_T}closing-packs/",
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
        f"{_T}webhooks/",
        {**_HOOK, "secret_address": "http://desk.example/hooks"},
        "Enter an address that starts with https.",
    ),
]


@dataclass(frozen=True)
class Sample:
    """The ids of the sample objects, and the two clients of one administrator."""

    ids: Mapping[str, str]
    page: Client
    api: ApiClient

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(each) for key, each in value.items()}
        if not isinstance(value, str):
            return value
        return re.sub(r"\{(\w+)\}", lambda found: self.ids[found[1]], value)

    def press(self, pair: Pair) -> Any:
        """Send the form of the page. Returns the last response of its redirects."""
        name = f"onboarding:{pair.page}"
        ids = {each: self.ids[each] for each in _PARAMS[name]}
        if "public_id" not in ids and "person_id" in ids:
            ids["person_id"] = self.ids["staff_id"]
        form = self.filled(pair.form)
        if "file" in form:
            form["file"] = SimpleUploadedFile("note.txt", form["file"].encode())
        return self.page.post(reverse(name, kwargs=ids), form, follow=True)

    def send(self, pair: Pair) -> Any:
        path, body = self.filled(pair.path), self.filled(pair.body)
        if pair.method == "UPLOAD":
            return self.api.upload(path, body)
        return self.api.send(pair.method, path, body, If_Match="*")


@pytest.fixture
def sample(
    make_tenant: MakeTenant,
    consultant: User,
    administrator: User,
    signed_in: SignIn,
    tmp_path: Path,
    settings: Any,
) -> Sample:
    settings.FILES_DIR = tmp_path / "files"
    tenant = make_tenant("Northwind", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, consultant)
    people_examples.prepare(tenant)
    domain = tenant.domains.get()
    proposal = proposal_of(domain, ProposalKind.OWNERSHIP)
    assert proposal is not None, "create_one_of_each has entered one"
    ids |= {
        "state": state_of(domain, ProposalKind.OWNERSHIP),
        "fingerprint": proposal.fingerprint,
    }
    return Sample(ids, signed_in(administrator), client_for(administrator, "administer"))


def _effects(work: Callable[[], Any]) -> tuple[int, dict[str, int], list[Any]]:
    """The status of the answer, the changed numbers of rows, and the new lines of the log."""
    cache.clear()
    with transaction.atomic():
        before, lines = _counts(), set(ActivityLine.objects.values_list("pk", flat=True))
        status = work().status_code
        after = _counts()
        logged = sorted(
            (line.action, _stable(line.params))
            for line in ActivityLine.objects.exclude(pk__in=lines)
        )
        transaction.set_rollback(True)
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    return status, changed, logged


def _stable(params: Mapping[str, Any]) -> str:
    """The parameters of a line without random values. A commitment has a random salt."""
    return str(
        {
            key: value
            for key, value in params.items()
            if key not in _VOLATILE and not (isinstance(value, dict) and COMMITMENT in value)
        }
    )


def _counts() -> Counter[str]:
    counts = Counter(
        {
            model._meta.db_table: model._base_manager.count()
            for model in _MODELS
            if model._meta.db_table not in _INCIDENTAL
        }
    )
    counts.update(f"message {each.status}" for each in WebhookMessage.objects.all())
    counts.update(f"{each.role}" for each in Membership.objects.all())
    counts.update(f"{each.staff_role} {each.is_active}" for each in User.objects.all())
    counts.update(f"import {each.status}" for each in TenantImport.objects.all())
    return counts


def test_page_and_api_have_equal_effects(sample: Sample) -> None:
    wrong = {}
    for pair in PAIRS:
        page = _effects(functools.partial(sample.press, pair))
        api = _effects(functools.partial(sample.send, pair))
        if page[0] >= 400 or api[0] >= 300 or page[1:] != api[1:] or not (api[1] or api[2]):
            wrong[pair.page, str(pair.form)] = (page, api)

    assert wrong == {}


def test_page_and_api_refuse_with_one_sentence(sample: Sample) -> None:
    wrong = {}
    for pair in REFUSED:
        cache.clear()
        with transaction.atomic():
            page = " ".join(html.unescape(sample.press(pair).content.decode()).split())
            transaction.set_rollback(True)
        answer = sample.send(pair)
        found = (answer.status_code, answer.json().get("detail"), pair.sentence in page)
        if found != (422, pair.sentence, True):
            wrong[pair.page] = found

    assert wrong == {}


def test_closed_tenant_is_reopened(sample: Sample) -> None:
    base = sample.filled(_T)
    closed = sample.api.post(f"{base}close/", _REASON)
    refused = sample.api.post(f"{base}invitations/", _INVITATION)
    page = _effects(lambda: sample.press(Pair("tenant-reopen", _REASON, "POST", "")))
    api = _effects(lambda: sample.api.post(f"{base}reopen/", _REASON))

    assert closed.json()["closed_at"] is not None
    assert (refused.status_code, "closed" in refused.json()["detail"]) == (403, True)
    assert (page[1:], api[0]) == (api[1:], 200)
    assert api[2][0][0] == "tenant-reopened"


def test_erasure_leaves_no_row(sample: Sample) -> None:
    base = sample.filled(_T)
    answer = sample.api.post(f"{base}erase/", {"name": "Northwind"}, Idempotency_Key="erase-1")
    again = sample.api.post(f"{base}erase/", {"name": "Northwind"}, Idempotency_Key="erase-1")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Tenant.objects.filter(name="Northwind").exists()
    assert again.status_code == 404
