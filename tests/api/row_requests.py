"""The bodies of the API for the forms of the pages, for `test_same_rows.py`.

An action whose form has no value needs no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.action_world import ActionWorld
from tests.api import people_pairs

Data = dict[str, Any]
Ids = Mapping[str, str]
Body = Callable[[Data, Ids], Data]
# Identifiers of the address that no parameter of the page has. The test removes them from a body.
ADDRESS = "(address)"


def _pick(*names: str) -> Body:
    """The texts of the form under the same names."""
    return lambda data, ids: {name: data[name] for name in names}


def _transition(key: str, body: Body = lambda data, ids: {}) -> Body:
    return lambda data, ids: body(data, ids) | {ADDRESS: {"transition": key}}


def _of_domain(data: Data, ids: Ids) -> Data:
    return {"domain": ids["domain_id"]} | {k: data[k] for k in ("reason",) if k in data}


def _custom_task(data: Data, ids: Ids) -> Data:
    body = _pick("title", "instructions", "phase", "responsibility")(data, ids)
    return body | {"due_on": data["due_on"] or None}


def _row(data: Data, ids: Ids) -> Data:
    return {"values": {name: data[name] for name in ("target", "source", "what", "note")}}


def _working_time(data: Data, ids: Ids) -> Data:
    return {
        "weekdays": [int(data["weekdays"])],
        "opens": data["opens"],
        "closes": data["closes"],
        "remind_after_working_days": int(data["remind_after_working_days"]),
    }


def _window(data: Data, ids: Ids) -> Data:
    numbers = {name: int(data[name]) for name in ("length_minutes", "outbound_days")}
    return numbers | {"accepted_risk": data["accepted_risk"]}


def _vote(data: Data, ids: Ids) -> Data:
    body = _pick("choice", "comment", "accepted_risk")(data, ids)
    return body | {"blockers": data["blockers"].split()}


def _cutover(data: Data, ids: Ids) -> Data:
    body = {"planned_at": f"{data['planned_at']}:00Z", "reason": data["reason"]}
    chosen = data["domains"] if isinstance(data["domains"], list) else [data["domains"]]
    return body | {"domains": chosen}


def _tenant(data: Data, ids: Ids) -> Data:
    names = ("name", "region", "time_zone", "platform", "directory_method", "authentication")
    domain = {"name": data["domains-0-name"], "role": data["domains-0-role"]}
    return _pick(*names)(data, ids) | {"consultant": None, "domains": [domain]}


_CONTACT = _pick("role", "name", "email", "phone", "availability")
_FREEZE = _pick("first_day", "last_day", "reason")
_HOLIDAY = _pick("day", "name")
_REASON = _pick("reason")
_MOVE = _pick("direction")
BODIES: Mapping[str, Body] = {
    "onboarding:approvers": _pick("mimecast", "client"),
    "onboarding:comment-add": _pick("body"),
    "onboarding:contact-add": _CONTACT,
    "onboarding:contact-change": _CONTACT,
    "onboarding:custom-task-add": _custom_task,
    "onboarding:custom-task-edit": _custom_task,
    "onboarding:cutovers": lambda data, ids: {
        **_cutover(data, ids),
        "direction": data["direction"],
    },
    "onboarding:cutover-edit": _cutover,
    "onboarding:cutover-vote": _vote,
    "onboarding:cutover-window": _window,
    "onboarding:drift-accept": _REASON,
    "onboarding:drift-acknowledge": _REASON,
    "onboarding:drift-mute": _pick("until"),
    "onboarding:freeze-add": _FREEZE,
    "onboarding:freezes": _FREEZE,
    "onboarding:holiday-add": _HOLIDAY,
    "onboarding:mimecast-holiday-add": _HOLIDAY,
    "onboarding:on-call-add": _pick("person", "phone"),
    "onboarding:plan-upgrade": lambda data, ids: {"version": int(data["to"])},
    "onboarding:region-values": lambda data, ids: {"mx": data["mx"].split()},
    "onboarding:requirements-row": _row,
    "onboarding:requirements-row-add": _row,
    "onboarding:task-assign": _transition("assign", lambda data, ids: {"assignee": data["person"]}),
    "onboarding:task-confirm": _transition("confirm"),
    "onboarding:task-domain-confirm": _transition("confirm", _of_domain),
    "onboarding:task-domain-exempt": _transition("exempt-domain", _of_domain),
    "onboarding:task-domain-include": _transition("include-domain", _of_domain),
    "onboarding:task-domain-withdraw": _transition("withdraw-confirmation", _of_domain),
    "onboarding:task-due": _transition("set-due-date", _pick("due_on")),
    "onboarding:task-fields": lambda data, ids: {
        "values": {name: value for name, value in data.items() if name != "expected"}
    },
    "onboarding:task-responsibility": _transition("set-responsibility", _pick("responsibility")),
    "onboarding:task-undo": _transition("undo"),
    "onboarding:task-withdraw": _transition("withdraw-confirmation"),
    "onboarding:template-phase": _pick("title"),
    "onboarding:template-phase-add": _pick("title", "summary"),
    "onboarding:template-phase-move": _MOVE,
    "onboarding:template-publish": _pick("note"),
    "onboarding:template-task": _pick("title"),
    "onboarding:template-task-add": _pick("title", "do", "shown_by", "phase", "responsibility"),
    "onboarding:template-task-move": _MOVE,
    "onboarding:tenant-create": _tenant,
    "onboarding:test-message-submit": _pick("source"),
    "onboarding:platform-export-submit": lambda data, ids: {
        "source": "exchange_online",
        "text": data["text"],
    },
    "onboarding:working-time": _working_time,
}


def _all_domains(world: ActionWorld) -> Data:
    domains = list(world.tenant.domains.values_list("public_id", flat=True))
    return {"reason": "Agreed.", "domains": domains}


# The entries of a form that make a difference, beyond those of the action world.
PAGE_VALUES: Mapping[str, Callable[[ActionWorld], Data]] = {
    "onboarding:comment-add": lambda world: {"file": None},
    "onboarding:contact-change": lambda world: {"phone": "+44 20 7946 0002"},
    "onboarding:cutover-edit": _all_domains,
    "onboarding:region-values": lambda world: {"mx": "a.mimecast.test\nb.mimecast.test"},
    "onboarding:task-due": lambda world: {"due_on": "2026-12-30"},
    "onboarding:task-responsibility": lambda world: {"responsibility": "client"},
    "onboarding:task-fields": lambda world: {"session-date": "2026-11-03"},
    "onboarding:template-phase": lambda world: {"title": "Begin"},
    # The discovery reads one value of each field.
    "onboarding:template-task": lambda world: {
        "title": "The account",
        "depends_on": ["mail-flow-infrastructure", "request-for-information"],
    },
    "onboarding:working-time": lambda world: {"opens": "08:30"},
}
# The plan offers these actions to the owner only.
OF_CLIENTS = frozenset(
    {
        "onboarding:comment-delete",
        "onboarding:requirements-sign-off-withdraw",
        "onboarding:task-domain-confirm",
        "onboarding:task-domain-withdraw",
    }
)
_NO_ROW = "it changes no row"
_OTHER_STATE = "the prepared plan does not offer it: it has a test of its own"
# The rows of the table that another test covers, with the reason.
NOT_COMPARED: Mapping[str, str] = {
    "onboarding:preflight": _NO_ROW,
    "onboarding:zone-file": _NO_ROW,
    "onboarding:tasks-bulk": "the endpoint makes several transitions, the page several changes",
    "onboarding:residual-risk-accept": _OTHER_STATE,
    "onboarding:residual-risk-withdraw": _OTHER_STATE,
    "onboarding:sign-off": _OTHER_STATE,
    "onboarding:template-draft-create": _OTHER_STATE,
    "onboarding:template-phase-remove": _OTHER_STATE,
    "onboarding:template-source": _OTHER_STATE,
    "onboarding:template-source-add": _OTHER_STATE,
    "onboarding:template-source-remove": _OTHER_STATE,
    "onboarding:desk-remind": "the page reminds of the tasks of several tenants",
    **dict.fromkeys(
        ("tenants:notification-read", "tenants:notifications-read"),
        "it is in test_notification_api.py",
    ),
    **dict.fromkeys(people_pairs.COMPARED, "it is in test_same_results.py"),
}
