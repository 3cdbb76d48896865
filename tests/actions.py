"""Every action of a user, found in the forms of the pages.

`discover` loads every page, reads its forms and fills their required fields. So a new action needs
no entry here, unless no page has its form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from tests.access_matrix import Route
from tests.lock_order import LockOrder

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
_TEXT = "Agreed."
# A write to one of these tables is no effect of an action.
_INCIDENTAL = ("django_session", "usersessions")
_WRITE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
_MOST_FORMS_TRIED = 8


@dataclass(frozen=True)
class Action:
    """One POST request of a user. `name` is the name of its URL.

    `violations` are its locks outside the order of docs/architecture.md, as sentences.
    """

    name: str
    url: str
    user: str
    data: Mapping[str, Any] = field(default_factory=dict)
    violations: tuple[str, ...] = ()

    def send(self, client: Client) -> tuple[int, str]:
        """Send the request. Returns the status of the answer, and the error of a 500."""
        response = client.post(self.url, with_files(self.data))
        return response.status_code, repr(getattr(response, "exc_info", None))


UPLOAD = object()


def with_files(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with a small file for each UPLOAD."""
    return {
        name: SimpleUploadedFile("note.txt", b"note") if value is UPLOAD else value
        for name, value in data.items()
    }


@dataclass
class Form:
    """A POST form of a page: its address, and the attributes of its fields and buttons."""

    action: str
    fields: list[dict[str, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select: dict[str, str] | None = None
        self._text: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_post = values.get("method", "").lower() == "post"
            self._form = Form(values.get("action", "")) if is_post else None
            if self._form is not None:
                self.found.append(self._form)
        if self._form is None:
            return
        if tag == "option" and self._select is not None:
            self._choose(values)
        if tag not in ("input", "select", "textarea", "button") or "disabled" in values:
            return
        if tag == "button":
            self._form.buttons.append(values)
        elif values.get("name"):
            entry = values | {"type": values.get("type", "text") if tag == "input" else tag}
            self._form.fields.append(entry)
            self._select = entry if tag == "select" else self._select
            self._text = entry if tag == "textarea" else self._text

    def _choose(self, option: dict[str, str]) -> None:
        assert self._select is not None
        value, select = option.get("value", ""), self._select
        is_first = "value" not in select or ("required" in select and not select["value"])
        if "selected" in option or is_first:
            select["value"] = value
        elif value:
            select["other"] = value

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text["value"] = (self._text.get("value", "") + data).strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = None
        if tag == "textarea":
            self._text = None


def forms_on(html: str) -> list[Form]:
    reader = _Forms()
    reader.feed(html)
    return reader.found


def value_of(entry: Mapping[str, str]) -> Any:
    """The value to send for a field; None to send none."""
    kind, value = entry["type"], entry.get("value", "")
    if kind in ("checkbox", "radio"):
        return (value or "on") if "checked" in entry or "required" in entry else None
    if kind == "file":
        return UPLOAD
    if value:
        return value
    soon = timezone.now() + timedelta(days=20)
    filled = {
        "date": soon.date().isoformat(),
        "datetime-local": soon.strftime("%Y-%m-%dT10:00"),
        "email": "new.person@one.test",
        "number": entry.get("min", "1"),
        "textarea": _TEXT,
        "text": _TEXT,
    }
    is_prompt = "required" in entry or entry["name"] in ("reason", "body", "text", "statement")
    return filled.get(kind, "") if is_prompt else ""


def data_of(form: Form) -> Iterator[dict[str, Any]]:
    """The data of the form, once for each of its buttons, and then with other options selected."""
    data: dict[str, Any] = {}
    for entry in form.fields:
        value = value_of(entry)
        if value is not None and entry["name"] != "csrfmiddlewaretoken":
            data.setdefault(entry["name"], value)
    yield from _by_button(form, data)
    others = {entry["name"]: entry["other"] for entry in form.fields if entry.get("other")}
    if others:
        yield from _by_button(form, data | others)


def _by_button(form: Form, data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    named = [button for button in form.buttons if button.get("name")]
    if len(named) < max(1, len(form.buttons)):
        yield data
    for button in named:
        yield data | {button["name"]: button.get("value", "")}


def clients_of(users: Mapping[str, Any]) -> dict[str, Client]:
    """A signed-in client for each user."""
    clients = {}
    for name, user in users.items():
        clients[name] = Client(raise_request_exception=False)
        clients[name].force_login(user, backend=_BACKEND)
    return clients


def discover(
    routes: list[Route],
    ids: Mapping[str, str],
    clients: Mapping[str, Client],
    values: Mapping[str, Mapping[str, Any]],
    ids_by_name: Mapping[str, Mapping[str, str]],
) -> dict[tuple[str, str], Action]:
    """The action of each URL and user that has an effect, by URL name and user name.

    `values` has the entries that a form needs beyond its required fields, by URL name; None removes
    an entry. An URL of `values` without a form on any page gets a request with these entries.
    `ids_by_name` has the identifiers of single URLs that need another object.
    """

    def url_of(route: Route) -> str:
        chosen = {**ids, **ids_by_name.get(route.name, {})}
        return reverse(route.name, kwargs={name: chosen[name] for name in route.params})

    pages = {url_of(route) for route in routes}
    plan = reverse("onboarding:plan-show", args=[ids["public_id"]])
    pages |= {f"{plan}?phase={phase}" for phase in ids["phases"].split()}
    found: dict[tuple[str, str], Action] = {}
    for user, client in clients.items():
        forms = _forms_by_name(pages, client, user)
        for route in routes:
            more = values.get(route.name, {})
            candidates = [
                replace(form, data=merged(form.data, more)) for form in forms.get(route.name, [])
            ]
            if not candidates and route.name in values:
                candidates.append(Action(route.name, url_of(route), user, merged({}, more)))
            # All actions of a task on one task, where its form has an effect.
            candidates.sort(key=lambda action: ids["task_id"] not in action.url)
            for action in candidates[:_MOST_FORMS_TRIED]:
                order = LockOrder()
                if effects_of(action, client, order):
                    found[route.name, user] = replace(action, violations=tuple(order.violations))
                    break
    return found


def merged(data: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**data, **more}.items() if value is not None}


def _forms_by_name(pages: Collection[str], client: Client, user: str) -> dict[str, list[Action]]:
    found: dict[str, list[Action]] = {}
    for page in sorted(pages):
        with transaction.atomic():
            response = client.get(page)
            if response.streaming:
                b"".join(response)
            transaction.set_rollback(True)
        if response.status_code != 200 or "html" not in response.get("Content-Type", ""):
            continue
        for form in forms_on(response.content.decode()):
            url = form.action or page
            try:
                name = resolve(url.partition("?")[0]).view_name
            except Resolver404:
                continue
            found.setdefault(name, []).extend(
                Action(name, url, user, data) for data in data_of(form)
            )
    return found


class Writes:
    """The tables that statements write to, as a wrapper of their execution."""

    def __init__(self) -> None:
        self.tables: set[str] = set()

    def __call__(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        match = _WRITE.match(sql)
        if match and not match.group(1).endswith(_INCIDENTAL):
            self.tables.add(match.group(1))
        return execute(sql, *args)


def effects_of(action: Action, client: Client, order: LockOrder) -> set[str]:
    """The tables that the action writes to, if it succeeds. Its changes are rolled back."""
    writes = Writes()
    cache.clear()
    with transaction.atomic():
        with connection.execute_wrapper(writes), connection.execute_wrapper(order):
            status, _ = action.send(client)
        transaction.set_rollback(True)
    return writes.tables if status < 400 else set()
