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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from onboarding.lifecycle.proposals import state_of
from onboarding.models import ArchiveImport, SavedView, TenantImport
from tenants.commitments import with_values
from tenants.models import ActivityLine, Membership, Tenant, User, WebhookMessage
from tenants.proposals import ProposalKind, proposal_of
from tests.access_matrix import Route, create_one_of_each, routes
from tests.access_tables import PAGE, table_under
from tests.api import people_examples
from tests.api.clients import ApiClient, client_for
from tests.api.people_pairs import COMPARED, INVITATION, PAIRS, REASON, REFUSED, TENANT, Pair
from tests.factories import MakeTenant, SignIn
from tests.lock_order import LockOrder

# Random values, times, and digests of them.
_VOLATILE = ("share_link", "expires_at", "head", "lines", "api_token")
# A request with a token marks its use, and a page with the list of tenants stores missing figures.
_INCIDENTAL = (
    "tenants_apitoken",
    "tenants_idempotentrequest",
    "onboarding_cutoverstatus",
    "onboarding_phasetime",
    "onboarding_planfigures",
    "onboarding_planrisk",
)
_MODELS = [m for m in apps.get_models() if m._meta.app_label in ("tenants", "checks", "onboarding")]
_PARAMS = {route.name: list(route.params) for route in routes()}
_MODULES = (
    "lifecycle.api.people",
    "lifecycle.api.proposals",
    "lifecycle.api.suggestions",
    "lifecycle.api.offboarding",
    "lifecycle.api.tenant_imports",
    "lifecycle.api.archives",
    "requirements.api.imports",
    "requirements.api.suggestions",
    "collaboration.api.share_links",
    "portfolio.api.staff",
    "portfolio.api.saved_views",
    "calendar_feeds.api",
    "webhooks.api",
)


@dataclass(frozen=True)
class Sample:
    """The ids of the sample objects, and the two clients of one administrator."""

    ids: Mapping[str, str]
    page: Client
    api: ApiClient

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
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
        {key: value for key, value in with_values(params, {}).items() if key not in _VOLATILE}
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
    counts.update(f"{each.name} {each.query} {each.is_shared}" for each in SavedView.objects.all())
    for model in (TenantImport, ArchiveImport):
        counts.update(f"{model.__name__} {each.status}" for each in model.objects.all())
    return counts


@pytest.mark.slow
def test_page_and_api_have_equal_effects(sample: Sample) -> None:
    wrong = {}
    for pair in PAIRS:
        page = _effects(functools.partial(sample.press, pair))
        api = _effects(functools.partial(sample.send, pair))
        if page[0] >= 400 or api[0] >= 300 or page[1:] != api[1:] or not (api[1] or api[2]):
            wrong[pair.page, str(pair.form)] = (page, api)

    assert wrong == {}


@pytest.mark.slow
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no row locks: set DATABASE_URL"
)
def test_locks_follow_the_order(sample: Sample) -> None:
    """A request is one transaction, so that the locks of its services follow each other."""
    wrong = {}
    for pair in PAIRS:
        order = LockOrder()
        with connection.execute_wrapper(order):
            _effects(functools.partial(sample.send, pair))
        if order.violations:
            wrong[pair.page] = order.violations

    assert wrong == {}


def test_every_action_is_compared() -> None:
    """Each action whose endpoint is in one of these modules has a pair."""
    of_modules = {
        route.name for route in routes() if route.is_api and _module_of(route).endswith(_MODULES)
    }
    actions = {
        row["action"].strip("`")
        for row in table_under("Actions", PAGE.parent / "api.md")
        if of_modules & set(re.findall(r"api:[\w-]+", row["endpoint"]))
    }

    assert actions == COMPARED - {"onboarding:file-add", "onboarding:tenants-bulk"}


def _module_of(route: Route) -> str:
    view = getattr(route.pattern.callback, "cls", None)
    return str(getattr(view, "__module__", ""))


@pytest.mark.slow
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
    base = sample.filled(TENANT)
    closed = sample.api.post(f"{base}close/", REASON)
    refused = sample.api.post(f"{base}invitations/", INVITATION)
    page = _effects(lambda: sample.press(Pair("tenant-reopen", REASON, "POST", "")))
    api = _effects(lambda: sample.api.post(f"{base}reopen/", REASON))

    assert closed.json()["closed_at"] is not None
    assert (refused.status_code, "closed" in refused.json()["detail"]) == (403, True)
    assert (page[1:], api[0]) == (api[1:], 200)
    assert api[2][0][0] == "tenant-reopened"


def test_erasure_leaves_no_row(sample: Sample) -> None:
    base = sample.filled(TENANT)
    answer = sample.api.post(f"{base}erase/", {"name": "Northwind"}, Idempotency_Key="erase-1")
    again = sample.api.post(f"{base}erase/", {"name": "Northwind"}, Idempotency_Key="erase-1")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Tenant.objects.filter(name="Northwind").exists()
    assert again.status_code == 404
