"""Change the behaviour of the lab's name servers and hosts, and print the expected effect."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from checks.lab import received_messages, signed_messages
from checks.lab.addresses import LabEndpoints, announce, current, withdraw_announcement
from checks.lab.serve import serve
from checks.lab.zone_records import APEX, HostedLockdown, LabError, LabState, Mode, ZoneRecord
from checks.lab.zones import HOSTS, Lab

SHOWN_AFTER_NEXT_RUN = "An open page shows it after the next run, within a minute."


class Command(BaseCommand):
    requires_system_checks = ()
    help = "The lab: publish and withdraw records of .test domains, delay servers, close hosts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("serve", help="run the lab's servers until Ctrl-C")
        _add_record_actions(actions)
        _add_server_actions(actions)
        _add_message_actions(actions)
        _add_received_action(actions)
        for action, help_text in (
            ("close", "stop a host from listening"),
            ("open", "let it listen again"),
        ):
            actions.add_parser(action, help=help_text).add_argument("host", help=" or ".join(HOSTS))
        lockdown = actions.add_parser("lockdown", help="set the hosted mail platform's lockdown")
        lockdown.add_argument("setting", choices=[each.value for each in HostedLockdown])
        actions.add_parser(
            "restore", help="every server answers, every host is open; records remain"
        )
        actions.add_parser("reset", help="restore the initial records")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LAB:
            raise CommandError("The lab is not running. `make run` starts it.")
        folder = Path(settings.VAR_DIR) / "lab"
        try:
            if options["action"] == "serve":
                self.serve(Lab(folder))
            else:
                self.stdout.write(ACTIONS[options["action"]](Lab(folder), options))
        except LabError as error:
            raise CommandError(str(error)) from error

    def serve(self, lab: Lab) -> None:
        running = current(lab.folder)
        endpoints = running or LabEndpoints(port=settings.LAB_PORT)
        if running is None:
            announce(lab.folder, endpoints)
        try:
            asyncio.run(serve(lab, endpoints, lambda: self.stdout.write(_addresses(endpoints))))
        except OSError as error:
            raise CommandError(f"The lab cannot listen: {error.strerror or error}.") from error
        finally:
            if running is None:
                withdraw_announcement(lab.folder)


def _add_record_actions(actions: Any) -> None:
    publish = actions.add_parser("publish", help="add a record")
    withdraw = actions.add_parser("withdraw", help="remove records")
    for action in (publish, withdraw):
        action.add_argument("domain")
        action.add_argument("type", help="A, AAAA, CNAME, MX or TXT")
        action.add_argument("--name", default=APEX, help="the label below the domain, e.g. _dmarc")
    publish.add_argument("value")
    publish.add_argument("--ttl", type=int, help="seconds; that of the set, else 60")
    publish.add_argument("--instead", action="store_true", help="replace the present set")
    withdraw.add_argument("value", nargs="?", help="only this value of the set")
    actions.add_parser("show", help="print the records").add_argument("domain", nargs="?")


def _add_server_actions(actions: Any) -> None:
    for action, help_text in (
        ("lag", "the server goes on serving what it serves now"),
        ("catch-up", "it serves what is published again"),
        ("silence", "it answers nothing"),
        ("refuse", "it refuses every question"),
        ("servfail", "it fails at every question"),
    ):
        actions.add_parser(action, help=help_text).add_argument(
            "server", type=int, help="1, 2 or 3"
        )


def _add_message_actions(actions: Any) -> None:
    actions.add_parser("sign", help="let the stand-in for Mimecast sign").add_argument("domain")
    for action, help_text in (
        ("route", "the domain's outbound mail leaves through the stand-in"),
        ("route-directly", "the domain's own server sends directly"),
    ):
        actions.add_parser(action, help=help_text).add_argument("domain")
    message = actions.add_parser("message", help="print a test message")
    message.add_argument("domain")
    message.add_argument("--pilot", action="store_true", help="over a connector for one mailbox")
    message.add_argument("--region", default="us", help="the region of the sending address")


def _add_received_action(actions: Any) -> None:
    received = actions.add_parser("received", help="print a message as its recipient receives it")
    received.add_argument("domain")
    received.add_argument("--test", action="store_true", help="deliver to Mimecast, not to MX")
    received.add_argument("--region", default="us", help="the region of the delivering server")
    received.add_argument("--host", default="", help="the delivery host of the client's own system")
    received.add_argument(
        "--platform",
        default="on_premises",
        choices=("on_premises", "microsoft_365", "google_workspace"),
    )


def received(lab: Lab, options: dict[str, Any]) -> str:
    content = received_messages.received_message(
        lab,
        options["domain"],
        options["region"],
        platform=options["platform"],
        delivery_host=options["host"],
        at=timezone.now(),
        is_test=options["test"],
    )
    return content.decode()


def sign(lab: Lab, options: dict[str, Any]) -> str:
    signed_messages.publish_key(lab, options["domain"])
    return (
        f"The key of {options['domain']} is published, and mail through the stand-in is signed. "
        f"Enter the selector {signed_messages.SELECTOR} in the profile. `lab route` sends the "
        "domain's mail through it, and `lab message` prints a message."
    )


def message(lab: Lab, options: dict[str, Any]) -> str:
    content = signed_messages.arriving_message(
        lab, options["domain"], options["region"], at=timezone.now(), is_pilot=options["pilot"]
    )
    return content.decode()


def route(lab: Lab, options: dict[str, Any]) -> str:
    lab.route_outbound(options["domain"])
    return f"Outbound mail of {options['domain']} leaves through the stand-in for Mimecast."


def route_directly(lab: Lab, options: dict[str, Any]) -> str:
    lab.route_directly(options["domain"])
    return f"The server of {options['domain']} sends directly."


def publish(lab: Lab, options: dict[str, Any]) -> str:
    record = lab.publish(
        options["domain"],
        options["type"],
        options["value"],
        label=options["name"],
        ttl=options["ttl"],
        instead=options["instead"],
    )
    lagging = _lagging(lab.load())
    late = f" Name server {lagging} lags and still serves the earlier records." if lagging else ""
    return f"Published for {options['domain']}: {record}. {SHOWN_AFTER_NEXT_RUN}{late}"


def withdraw(lab: Lab, options: dict[str, Any]) -> str:
    taken = lab.withdraw(
        options["domain"], options["type"], options["value"], label=options["name"]
    )
    listed = "; ".join(map(str, taken))
    return (
        f"Withdrawn from {options['domain']}: {listed}. The task reopens after further "
        "runs confirm it, within a minute."
    )


def show(lab: Lab, options: dict[str, Any]) -> str:
    state = lab.load()
    wanted = options["domain"]
    if wanted and wanted not in state.zones:
        raise LabError(f"The lab has no zone '{wanted}'; it has {', '.join(sorted(state.zones))}.")
    lines = []
    for name in [wanted] if wanted else sorted(state.zones):
        lines += [f"{name}  (serial {state.zones[name].serial})"]
        lines += [_row(record) for record in sorted(state.zones[name].records)]
    return "\n".join([*lines, *_behaviour(state)])


def lag(lab: Lab, options: dict[str, Any]) -> str:
    lab.lag(options["server"])
    return (
        f"Name server {options['server']} lags. Publish a record: the servers then differ, "
        f"and the check waits until `lab catch-up {options['server']}`."
    )


def catch_up(lab: Lab, options: dict[str, Any]) -> str:
    lab.catch_up(options["server"])
    return f"Name server {options['server']} serves the present records. {SHOWN_AFTER_NEXT_RUN}"


def behave(lab: Lab, options: dict[str, Any]) -> str:
    mode, does = MODES[options["action"]]
    lab.behave(options["server"], mode)
    return (
        f"Name server {options['server']} {does}. Checks become unknown and no task changes, until "
        "`lab restore`."
    )


def close_host(lab: Lab, options: dict[str, Any]) -> str:
    lab.close(options["host"])
    return (
        f"The {options['host']} host refuses connections. From outside Mimecast's ranges that is "
        f"unknown, not a failure. `lab open {options['host']}` opens it."
    )


def open_host(lab: Lab, options: dict[str, Any]) -> str:
    lab.open(options["host"])
    return f"The {options['host']} host listens again. {SHOWN_AFTER_NEXT_RUN}"


def lockdown(lab: Lab, options: dict[str, Any]) -> str:
    lab.lock_hosted(HostedLockdown(options["setting"]))
    return f"The hosted mail platform is set to {options['setting']}. {SHOWN_AFTER_NEXT_RUN}"


def restore(lab: Lab, options: dict[str, Any]) -> str:
    lab.restore()
    return (
        "Every name server serves the present records and every host is open. "
        f"{SHOWN_AFTER_NEXT_RUN}"
    )


def reset(lab: Lab, options: dict[str, Any]) -> str:
    lab.reset()
    return f"The lab has its initial records. {SHOWN_AFTER_NEXT_RUN}"


def _row(record: ZoneRecord) -> str:
    return f"  {record.label:<22} {record.ttl:>6}  {record.rtype:<5}  {record.value}"


def _behaviour(state: LabState) -> list[str]:
    lines = [
        f"Name server {n} lags." for n in sorted(state.servers) if state.servers[n].frozen_zones
    ]
    lines += [
        f"Name server {number} {does}."
        for number in sorted(state.servers)
        for mode, does in MODES.values()
        if state.mode_of(number) is mode
    ]
    return lines + [f"The {host} host is closed." for host in sorted(state.closed)]


def _lagging(state: LabState) -> str:
    return " and ".join(
        str(n) for n in sorted(state.servers) if state.servers[n].frozen_zones is not None
    )


def _addresses(endpoints: LabEndpoints) -> str:
    return (
        f"The lab serves .test on {endpoints.server(1)} to {endpoints.server(3)} and, as a "
        f"resolver, on {endpoints.resolver}, port {endpoints.port}; SMTP on "
        f"{endpoints.smtp_host}:{endpoints.smtp_port}, "
        f"LDAPS on {endpoints.ldaps_host}:{endpoints.ldaps_port}, hosted mailboxes on "
        f"{endpoints.hosted_host}:{endpoints.smtp_port}, and the control target of the lockdown "
        f"check on {endpoints.control_host}:{endpoints.smtp_port}."
    )


MODES = {
    "silence": (Mode.SILENT, "does not answer"),
    "refuse": (Mode.REFUSE, "answers REFUSED"),
    "servfail": (Mode.SERVFAIL, "answers SERVFAIL"),
}
ACTIONS = {
    "publish": publish,
    "withdraw": withdraw,
    "sign": sign,
    "message": message,
    "received": received,
    "show": show,
    "lag": lag,
    "catch-up": catch_up,
    **dict.fromkeys(MODES, behave),
    "close": close_host,
    "lockdown": lockdown,
    "route": route,
    "route-directly": route_directly,
    "open": open_host,
    "restore": restore,
    "reset": reset,
}
