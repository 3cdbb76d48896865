"""The commands. Each returns the exit status."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.live import Live

from gangway_client import credentials
from gangway_client.api import Api, Json
from gangway_client.errors import EXIT_FAIL, EXIT_UNKNOWN, ClientError
from gangway_client.output import print_json, print_rows, table, visible

Options = argparse.Namespace
_WAIT_SECONDS = 30
# The heading and the value of each column.
_TENANT_COLUMNS = {
    "Tenant": "name",
    "Region": "region",
    "Consultant": "consultant",
    "Closed": "closed_at",
}
_TASK_COLUMNS = {
    "Tenant": "tenant",
    "Task": "title",
    "Status": "status",
    "Waiting on": "waiting_on",
    "Due": "due_on",
    "Assignee": "assignee",
}
_CHECK_COLUMNS = {
    "Tenant": "tenant",
    "Check": "kind",
    "Subject": "subject",
    "Verdict": "verdict",
    "State": "state",
    "Last checked": "checked_at",
}
_CUTOVER_COLUMNS = {
    "Window": "planned_at",
    "Tenant": "tenant",
    "Cutover": "direction",
    "Domains": "domains",
    "State": "state",
    "Blocked by": "blockers",
}
# Their runs need a message that a person submits on the page.
_MESSAGE_KINDS = ("message", "delivery_message")


def login(options: Options) -> int:
    """Check the token, and store it in a file that only you can read."""
    server = credentials.server_address(options.server or _asked("Address of Gangway: "))
    if options.token_stdin:
        token = sys.stdin.readline().strip()
    else:
        token = getpass.getpass("Token (from the page “API tokens” of your account): ").strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise ClientError("This is not a token. Copy it from the page “API tokens”.")
    found = credentials.Credentials(server, token)
    api = Api(found)
    try:
        me = api.get("me/")
    finally:
        api.close()
    file = credentials.store(found)
    scope = (me.get("token") or {}).get("scope", "")
    sys.stdout.write(f"Signed in as {visible(me['name'])}, scope {scope}. Stored in {file}.\n")
    return 0


def _asked(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        raise ClientError("Name the server: gangway login --server ADDRESS") from None


def logout(options: Options) -> int:
    """Delete the stored token. It stays valid until you revoke it on the page of your account."""
    sys.stdout.write("Signed out.\n" if credentials.delete() else "You were not signed in.\n")
    return 0


def tenants(api: Api, options: Options) -> int:
    """List the tenants that you can see."""
    found = api.pages("tenants/", name=options.name, closed=options.closed or None, page_size=200)
    rows = list(found)
    if options.json:
        print_json(rows)
        return 0
    shown = [{**row, "consultant": _name(row["consultant"])} for row in rows]
    print_rows(_TENANT_COLUMNS, shown, "No tenant matches.")
    return 0


def tasks(api: Api, options: Options) -> int:
    """List the tasks of all tenants that you can see."""
    rows = list(
        api.pages(
            "tasks/",
            waiting_on=options.waiting_on,
            status=options.status,
            due_before=options.due_before,
            page_size=200,
        )
    )
    names = {each["id"]: each["name"] for each in api.pages("tenants/", page_size=200)}
    if options.tenant:
        wanted = options.tenant.casefold()
        rows = [row for row in rows if wanted in names.get(row["tenant"], "").casefold()]
    if options.json:
        print_json(rows)
        return 0
    shown = [
        {**row, "tenant": names.get(row["tenant"]), "assignee": _name(row["assignee"])}
        for row in rows
    ]
    print_rows(_TASK_COLUMNS, shown, "No task matches.")
    return 0


def _name(person: Json | None) -> str:
    return person["name"] if person is not None else ""


# --- Checks of one domain


def check(api: Api, options: Options) -> int:
    """Show the checks of a domain. With --watch, run them now and wait for their verdicts."""
    rows = list(_checks_of(api, options))
    if not rows:
        what = f"a check “{options.kind}” of " if options.kind else ""
        raise ClientError(f"No tenant that you can see has {what}{visible(options.domain)}.")
    if options.watch:
        _watch(api, rows, options)
    if options.json:
        print_json([row["check"] for row in rows])
    elif not (options.watch and sys.stdout.isatty()):
        Console().print(_check_table(rows))
    return _status_of(
        [
            row["check"]["verdict"]
            for row in rows
            if row["check"]["verdict"] or row["check"]["kind"] not in _MESSAGE_KINDS
        ]
    )


def _checks_of(api: Api, options: Options) -> Iterator[Json]:
    name = options.domain.rstrip(".").casefold()
    for tenant in api.pages("tenants/", domain=name, page_size=200):
        base = f"tenants/{tenant['id']}"
        domains = api.pages(f"{base}/domains/", page_size=200)
        domain = next((each for each in domains if each["name"] == name), None)
        if domain is None:
            continue
        found = api.pages(f"{base}/checks/", domain=domain["id"], kind=options.kind, page_size=200)
        yield from (
            {"tenant": tenant["name"], "path": f"{base}/checks/{each['id']}/", "check": each}
            for each in found
        )


def _watch(api: Api, rows: list[Json], options: Options) -> None:
    """Request a run of each check, and wait until all verdicts have settled or the time is over."""
    until = time.monotonic() + options.seconds
    watched = [row for row in rows if row["check"]["kind"] not in _MESSAGE_KINDS]
    for row in watched:
        api.post(f"{row['path']}run/", {})
        row["check"]["is_settled"] = False
    is_live = sys.stdout.isatty() and not options.json
    shown = Live(_check_table(rows), auto_refresh=False) if is_live else nullcontext()
    with shown as live:
        for row in watched:
            while not row["check"]["is_settled"] and (left := until - time.monotonic()) > 0:
                row["check"] = api.wait(row["path"], min(_WAIT_SECONDS, max(1, int(left))))
                if live is not None:
                    live.update(_check_table(rows), refresh=True)


def _check_table(rows: list[Json]) -> Any:
    shown = [
        {
            **row["check"],
            "tenant": row["tenant"],
            "verdict": row["check"]["verdict"] or "not settled",
            "state": _state_of(row["check"]),
        }
        for row in rows
    ]
    return table(_CHECK_COLUMNS, shown)


def _state_of(check: Json) -> str:
    if check["kind"] in _MESSAGE_KINDS and check["verdict"] is None:
        return "needs a message"
    return "settled" if check["is_settled"] else "checking"


def _status_of(verdicts: list[str | None]) -> int:
    """As `manage.py probe`: 1 after a FAIL, 2 after an UNKNOWN or without a verdict."""
    if "fail" in verdicts:
        return EXIT_FAIL
    return EXIT_UNKNOWN if {"unknown", None} & set(verdicts) else 0


# --- Cutovers


def cutover_status(api: Api, options: Options) -> int:
    """Show the cutovers of the next days, with their blockers."""
    rows = sorted(_cutovers(api, options), key=lambda row: row["cutover"]["planned_at"])
    if options.json:
        print_json(rows)
    else:
        print_rows(_CUTOVER_COLUMNS, [_cutover_row(row) for row in rows], "No cutover is planned.")
    verdicts = [
        each["verdict"] for row in rows for each in row["readiness"]["rows"] if each["is_blocking"]
    ]
    return _status_of(verdicts)


def _cutovers(api: Api, options: Options) -> Iterator[Json]:
    now = datetime.now(UTC)
    until = (now + timedelta(days=options.days)).isoformat()
    for tenant in api.pages("tenants/", name=options.tenant, page_size=200):
        base = f"tenants/{tenant['id']}/cutovers/"
        # A window is open for hours after its planned time.
        since = (now - timedelta(days=1)).isoformat()
        for found in api.pages(base, planned_after=since, planned_before=until, page_size=200):
            if found["cancelled_at"] is None:
                readiness = api.get(f"{base}{found['id']}/readiness/")
                yield {"tenant": tenant["name"], "cutover": found, "readiness": readiness}


def _cutover_row(row: Json) -> Json:
    found, readiness = row["cutover"], row["readiness"]
    decision, blockers = readiness["decision"], [r for r in readiness["rows"] if r["is_blocking"]]
    if decision is not None:
        state = "go" if decision["is_go"] else "no-go"
    else:
        state = "blocked" if blockers else "ready"
    return {
        "tenant": row["tenant"],
        "planned_at": found["planned_at"],
        "direction": found["direction"],
        "domains": ", ".join(each["name"] for each in found["domains"]),
        "state": f"{state}, window open" if readiness["is_open"] else state,
        "blockers": "; ".join(each["detail"] for each in blockers),
    }
