"""Saved views: their addresses, their readers, and changes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import SavedView
from onboarding.portfolio.tenant_list import saved_views
from tenants.models import Tenant, User
from tests.factories import MakeTenant
from tests.markup import texts

SignIn = Callable[[User], Client]
LIST = "/tenants/"


@pytest.fixture
def colleague(db: None) -> User:
    return User.objects.create_user(
        "colleague@gangway.test", "pw", name="Col League", staff_role="consultant"
    )


def _tabs(response: Any) -> list[str]:
    """The links of the views, as HTML."""
    nav = response.content.decode().partition('class="view-tabs"')[2].partition("</nav>")[0]
    return [f"<a{part}" for part in nav.split("<a")[1:]]


def _current(response: Any) -> list[str]:
    """The labels and numbers of the chosen views."""
    return [text for tab in _tabs(response) if "aria-current" in tab for text in texts(tab, "a")]


def _view(owner: User, *, is_shared: bool = False, is_default: bool = False) -> SavedView:
    return saved_views.create_view(
        "Google", "platform=google_workspace", is_shared=is_shared, is_default=is_default, by=owner
    )


def test_saved_view_has_an_address(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    make_tenant("Alpha", platform="google_workspace")
    make_tenant("Beta")
    client = signed_in(consultant)
    form = {"name": "Google", "query": "platform=google_workspace&csrf=x&page=4&sort=name"}

    saved = client.post(reverse("onboarding:saved-view-create"), form)
    opened = client.get(saved["Location"])

    view = SavedView.objects.get()
    assert (view.query, view.owner) == ("platform=google_workspace", consultant)
    assert saved["Location"] == f"{LIST}?view={view.public_id}"
    assert texts(opened.content.decode(), ".name") == ["Alpha"]
    assert _current(opened) == ["Google 1"]


def test_default_view_opens_the_list(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    make_tenant("Alpha", platform="google_workspace")
    make_tenant("Beta", consultant=consultant)
    first = _view(consultant, is_default=True)
    second = saved_views.create_view("All", "", is_shared=False, is_default=True, by=consultant)
    first.refresh_from_db()

    html = signed_in(consultant).get(LIST).content.decode()

    assert (first.is_default, second.is_default) == (False, True)
    assert texts(html, ".name") == ["Alpha", "Beta"]


@pytest.mark.parametrize(("is_shared", "status"), [(False, 404), (True, 403)])
def test_colleague_changes_no_view(
    consultant: User, colleague: User, signed_in: SignIn, is_shared: bool, status: int
) -> None:
    view = _view(consultant, is_shared=is_shared)
    client = signed_in(colleague)
    form = {"name": "Mine now", "query": ""}

    changed = client.post(reverse("onboarding:saved-view-change", args=[view.public_id]), form)
    removed = client.post(reverse("onboarding:saved-view-remove", args=[view.public_id]))

    assert (changed.status_code, removed.status_code) == (status, status)
    assert SavedView.objects.get().name == "Google"


def test_private_view_is_no_other_list(
    tenant: Tenant, consultant: User, colleague: User, signed_in: SignIn
) -> None:
    view = _view(consultant)

    response = signed_in(colleague).get(f"{LIST}?view={view.public_id}")

    assert [tab for tab in _tabs(response) if "Google" in tab] == []
    assert _current(response) == ["My tenants 0"]


def test_shared_view_shows_own_tenants(
    make_tenant: MakeTenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    for name, lead in (("Alpha", consultant), ("Beta", None)):
        make_tenant(name, consultant=lead, platform="google_workspace")
    manager.followed_consultants.add(consultant)
    view = _view(consultant, is_shared=True)

    html = signed_in(manager).get(f"{LIST}?view={view.public_id}").content.decode()

    assert texts(html, ".name") == ["Alpha"]


def test_administrator_changes_shared_view(consultant: User, administrator: User) -> None:
    view = _view(consultant, is_shared=True, is_default=True)

    saved_views.change_view(view, by=administrator, name="Workspace", query="risk=any")

    view.refresh_from_db()
    assert (view.name, view.query, view.owner) == ("Workspace", "risk=any", consultant)
    assert view.is_default
    with pytest.raises(NotPermitted):
        saved_views.change_view(view, by=administrator, is_default=False)


def test_name_is_unique_for_its_owner(consultant: User, colleague: User) -> None:
    _view(consultant)
    _view(colleague)

    with pytest.raises(OnboardingError, match="with this name already"):
        _view(consultant)

    assert SavedView.objects.count() == 2


def test_changed_filters_can_be_saved(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    view = _view(consultant)
    client = signed_in(consultant)

    html = client.get(f"{LIST}?view={view.public_id}&risk=any").content.decode()
    form = {"name": "Google", "query": f"view={view.public_id}&risk=any", "is_shared": "on"}
    client.post(reverse("onboarding:saved-view-change", args=[view.public_id]), form)

    view.refresh_from_db()
    assert texts(html, "#tenant-count") == ["0 tenants in “Google”, changed"]
    assert (view.query, view.is_shared) == ("risk=any", True)


def test_removed_view_keeps_its_list(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    view = _view(consultant)

    response = signed_in(consultant).post(
        reverse("onboarding:saved-view-remove", args=[view.public_id])
    )

    assert response["Location"] == f"{LIST}?platform=google_workspace"
    assert not SavedView.objects.exists()


def test_too_many_views_are_refused(consultant: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 1)
    _view(consultant)

    with pytest.raises(OnboardingError, match="Remove one of them first"):
        saved_views.create_view("Other", "", is_shared=False, is_default=False, by=consultant)


def test_client_has_no_views(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)

    response = client.post(reverse("onboarding:saved-view-create"), {"name": "A", "query": ""})

    assert response.status_code == 404
    assert not SavedView.objects.exists()


def test_restricted_manager_reads_no_names_of_other_tenants(
    make_tenant: MakeTenant, consultant: User, colleague: User, manager: User, signed_in: SignIn
) -> None:
    make_tenant("Seen Ltd", consultant=consultant)
    make_tenant("Hidden Ltd", domains=(("hidden-mail.test", "primary"),), consultant=colleague)
    for name, query in (
        ("Search", "q=Hidden"),
        ("hidden ltd weekly", "risk=any"),
        ("Hidden-mail.test", ""),
        ("Seen Ltd weekly", "risk=any"),
    ):
        SavedView.objects.create(owner=colleague, name=name, query=query, is_shared=True)
    SavedView.objects.create(owner=manager, name="Own search", query="q=Seen")
    before = [view.name for view in saved_views.views_for(manager)]

    manager.followed_consultants.add(consultant)

    assert len(before) == 5
    names = [view.name for view in saved_views.views_for(manager)]
    assert names == ["Own search", "Seen Ltd weekly"]
    html = signed_in(manager).get(LIST).content.decode()
    assert ("hidden ltd" in html.lower(), "hidden-mail" in html.lower()) == (False, False)


def test_change_keeps_a_concurrent_one(consultant: User) -> None:
    view = _view(consultant, is_shared=True)
    outdated = SavedView.objects.get(pk=view.pk)
    saved_views.change_view(view, by=consultant, query="risk=any", is_shared=False)

    changed = saved_views.change_view(outdated, by=consultant, name="Renamed")

    assert (changed.name, changed.query, changed.is_shared) == ("Renamed", "risk=any", False)


def test_permission_is_that_of_the_stored_view(consultant: User, administrator: User) -> None:
    view = _view(consultant, is_shared=True)
    outdated = SavedView.objects.get(pk=view.pk)
    saved_views.change_view(view, by=consultant, is_shared=False)

    for change in (saved_views.remove_view, saved_views.change_view):
        with pytest.raises(NotPermitted):
            change(outdated, by=administrator)


def test_removed_view_is_not_stored_again(consultant: User) -> None:
    view = _view(consultant)
    outdated = SavedView.objects.get(pk=view.pk)
    saved_views.remove_view(view, by=consultant)

    with pytest.raises(ConflictingChange):
        saved_views.change_view(outdated, by=consultant, name="Again")

    assert not SavedView.objects.exists()


def test_page_has_few_views_of_others(
    consultant: User, colleague: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 1)
    monkeypatch.setattr(saved_views, "MOST_SHARED", 1)
    own = SavedView.objects.create(owner=consultant, name="Z", query="")
    shared = [
        SavedView.objects.create(owner=colleague, name=name, query="", is_shared=True)
        for name in "ABC"
    ]

    found = saved_views.views_on_page(consultant, "")
    with_chosen = saved_views.views_on_page(consultant, shared[2].public_id)

    assert found == [shared[0], own]
    assert with_chosen == [shared[0], shared[2], own]
    opened = signed_in(consultant).get(f"{LIST}?view={shared[2].public_id}")
    assert [label.split()[0] for label in _current(opened)] == ["C"]
