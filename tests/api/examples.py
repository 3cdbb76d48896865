"""Examples of every operation, recorded from real responses.

With `GANGWAY_RECORD_EXAMPLES=1`, tests/api/test_openapi.py writes tenants/rest/examples.json again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.core.cache import cache
from django.db import transaction

from tests.api import people_examples, plan_examples
from tests.api.clients import ApiClient

PREFIX = "/api/v1"
STARTS = "2026-12-29T10:00:00Z"
MOST_ITEMS = 2
# The body of each write, with the ids of the sample objects in braces.
BODIES: Mapping[str, Any] = {
    "post /tenants/": {
        "name": "Tailspin Toys",
        "region": "us",
        "platform": "microsoft_365",
        "directory_method": "entra_id",
        "domains": [{"name": "tailspin.test", "role": "primary"}],
        "hosts": [{"purpose": "delivery", "name": "mail.tailspin.test", "port": 25}],
    },
    "patch profile/": {"journaling": True},
    "post domains/": {"name": "second.test", "role": "secondary"},
    "post zone-file/": {
        "zone": '@ MX 10 mail\nsales MX 10 mail\nparked TXT "v=spf1 -all"',
        "origin": "one.test",
    },
    "patch domains/{domain_id}/": {"dkim_selectors": "mimecast20261101"},
    "post hosts/": {"purpose": "delivery", "name": "mail2.one.test", "port": 25, "consent": True},
    "patch hosts/{host_id}/": {"recipient": "postmaster@one.test"},
    "post tasks/transitions/": {
        "items": [{"task": "{task_id}", "transition": "start", "if_match": "*"}]
    },
    "post tasks/{task_id}/transitions/{transition}/": {},
    "post tasks/{task_id}/run/": {},
    "patch tasks/{task_id}/fields/": {"values": {}},
    "post checks/run/": {},
    "post checks/{check_id}/run/": {},
    "post requirements/{sheet_id}/sign-off/": {"reason": "Complete."},
    "post requirements/{sheet_id}/rows/": {"values": {"target": "carol@outside.test"}},
    "patch requirements/{sheet_id}/rows/{row_id}/": {"values": {"note": "Agreed by e-mail."}},
    "post cutovers/": {
        "direction": "outbound",
        "planned_at": STARTS,
        "domains": ["{domain_id}"],
        "reason": "Agreed with the client.",
    },
    "patch cutovers/{cutover_id}/": {"planned_at": STARTS, "reason": "The client asked for it."},
    "post cutovers/{cutover_id}/window/": {
        "length_minutes": 120,
        "outbound_days": 3,
        "accepted_risk": "The old route remains open.",
    },
    "post cutovers/{cutover_id}/approvers/": {"mimecast": None, "client": None},
    "post cutovers/{cutover_id}/votes/": {
        "choice": "no-go",
        "comment": "The delivery test is missing.",
    },
    "post tasks/{task_id}/comments/": {
        "body": "When does the change window open?",
        "kind": "question",
    },
    "post contacts/": {"role": "dns", "name": "Dana North", "email": "dana@one.test"},
    "patch contacts/{contact_id}/": {"phone": "+44 20 7946 0000"},
    "post drifts/{drift_id}/acknowledge/": {"reason": "The DNS team removes it on Monday."},
    "post drifts/{drift_id}/accept/": {"reason": "The client changed its connectors."},
    "post drifts/{drift_id}/mute/": {"until": "2026-12-05"},
    "post drifts/{drift_id}/unmute/": {},
}


_BELOW = "/api/v1/tenants/{public_id}"
_SHEET = f"{_BELOW}/requirements/{{sheet_id}}"
# The sample objects refuse these actions. Their response is that of another operation.
SAME_RESPONSE = {
    f"post {_BELOW}/cutovers/{{cutover_id}}/votes/": f"get {_BELOW}/cutovers/{{cutover_id}}/",
    f"post {_BELOW}/drifts/{{drift_id}}/accept/": f"get {_BELOW}/drifts/{{drift_id}}/",
    f"delete {_SHEET}/sign-off/": f"get {_SHEET}/",
    f"post {_BELOW}/start-checks/": f"get {_BELOW}/",
}


def operations(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(method, path) for path, each in schema["paths"].items() for method in each]


def body_of(method: str, path: str) -> Any:
    """The example body of a write; None where it has none."""
    short = path.removeprefix(PREFIX).removeprefix("/tenants/{public_id}/")
    name = f"{method} {short}"
    others = {**people_examples.BODIES, **plan_examples.BODIES}
    return BODIES.get(name, others.get(name, uploads_of(method, path)))


def uploads_of(method: str, path: str) -> Any:
    """The example form of an upload; None for every other operation."""
    short = path.removeprefix(PREFIX).removeprefix("/tenants/{public_id}/")
    return people_examples.UPLOADS.get(f"{method} {short}")


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with the ids of the sample objects."""
    text = json.dumps(value)
    return json.loads(re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], text))


def send(client: ApiClient, method: str, path: str, ids: Mapping[str, str]) -> Any:
    """Send the example of an operation, and roll its changes back."""
    cache.clear()
    url = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)
    body = filled(body_of(method, path), ids) if method in ("post", "patch") else None
    headers = {} if method == "get" else {"If_Match": "*"}
    with transaction.atomic():
        form = uploads_of(method, path)
        if form is not None:
            response = client.upload(url, form)
        else:
            response = client.send(method.upper(), url, body, **headers)
        if response.streaming:
            b"".join(response)
        transaction.set_rollback(True)
    return response


def record(
    clients: Callable[[str], ApiClient], schema: Mapping[str, Any], ids: Mapping[str, str]
) -> dict[str, Any]:
    """The request and the response of every operation that succeeds, by the client for its path."""
    found: dict[str, Any] = {}
    for method, path in operations(schema):
        if path.endswith("/openapi.json"):
            continue
        response = send(clients(path), method, path, ids)
        example: dict[str, Any] = {}
        body = body_of(method, path)
        if method in ("post", "patch"):
            example["request"] = filled(body, ids)
        if response.status_code < 300 and "json" in response.get("Content-Type", ""):
            example["response"] = shortened(response.json())
        found[f"{method} {path}"] = example
    for name, response in people_examples.RESPONSES.items():
        found[name].setdefault("response", response)
    for name, similar in {**SAME_RESPONSE, **plan_examples.SAME_RESPONSE}.items():
        found[name].setdefault("response", found[similar]["response"])
    return found


def shortened(value: Any) -> Any:
    """The value with at most two items in each list, and without secrets."""
    if isinstance(value, dict):
        shown = {key: shortened(each) for key, each in value.items()}
        return shown | {k: v for k, v in people_examples.PLACEHOLDERS.items() if shown.get(k)}
    if isinstance(value, list):
        return [shortened(each) for each in value[:MOST_ITEMS]]
    return value
