"""Former addresses: e-mails that were already sent contain them."""

from __future__ import annotations

import pytest
from django.urls import resolve

from onboarding.redirects import MOVED, MOVED_IN_TENANT
from tenants.models import Tenant, User
from tests.factories import SignIn

# Former path: path today. `T` is t/<public_id>/.
PATHS = {
    "T/watch/": "T/monitoring/",
    "T/steps/": "T/my-tasks/",
    "T/own-steps/": "T/custom-tasks/",
    "T/tasks/a/own/": "T/tasks/a/edit/",
    "T/dates/": "T/schedule/",
    "T/leaving/": "T/offboarding/",
    "T/packs/a/": "T/closing-packs/a/",
    "T/version/": "T/upgrade/",
    "T/sheets/a/": "T/requirements/a/",
    "T/sheets/a/export/": "T/requirements/a/export/",
    "T/sheets/a/imports/": "T/requirements/a/imports/",
    "T/sheets/a/imports/b/": "T/requirements/a/imports/b/",
    "T/cutovers/a/plan/": "T/cutovers/a/edit/",
    "T/cutovers/a/changes/": "T/cutovers/a/change-sheet/",
    "T/cutovers/a/record/": "T/cutovers/a/timeline/",
    "T/cutovers/a/pre-flight/": "T/cutovers/a/preflight/",
    "T/cutovers/a/rehearse/": "T/cutovers/a/dry-run/",
    "T/cutovers/a/rehearsals/b/": "T/cutovers/a/dry-runs/b/",
    "T/checks/a/message/": "T/checks/a/test-message/",
    "people/log/": "people/audit-log/",
    "templates/draft/steps/": "templates/draft/tasks/",
    "templates/draft/steps/spf-update/": "templates/draft/tasks/spf-update/",
}


def test_every_moved_address_has_a_row() -> None:
    assert len(PATHS) == len(MOVED) + len(MOVED_IN_TENANT)


@pytest.mark.parametrize(("old", "new"), PATHS.items())
def test_former_path_redirects_permanently(
    tenant: Tenant, administrator: User, signed_in: SignIn, old: str, new: str
) -> None:
    old, new = (f"/{each}".replace("/T/", f"/t/{tenant.public_id}/") for each in (old, new))

    response = signed_in(administrator).get(f"{old}?phase=kick-off&open=1")

    assert response.status_code == 301
    assert response["Location"] == f"{new}?phase=kick-off&open=1"
    assert resolve(new).func is not resolve(old).func


def test_redirect_without_query_has_no_question_mark(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    response = signed_in(consultant).get(f"/t/{tenant.public_id}/watch/")

    assert response["Location"] == f"/t/{tenant.public_id}/monitoring/"


def test_stranger_gets_404(tenant: Tenant, outsider: User, signed_in: SignIn) -> None:
    response = signed_in(outsider).get(f"/t/{tenant.public_id}/watch/")

    assert response.status_code == 404


def test_former_path_rejects_post(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    response = signed_in(consultant).post(f"/t/{tenant.public_id}/watch/")

    assert response.status_code == 405
