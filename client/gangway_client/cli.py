"""The arguments of `gangway`, and its exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gangway_client import VERSION, commands, credentials
from gangway_client.api import Api
from gangway_client.errors import EXIT_USAGE, ClientError

# The shell's status after Ctrl-C.
EXIT_INTERRUPTED = 130
LONGEST_WATCH_SECONDS = 3600
_EPILOG = """\
exit status:
  0    no FAIL and no UNKNOWN
  1    a check or a readiness row is FAIL
  2    UNKNOWN, no settled verdict, or the server gave no answer
  64   invalid arguments, not signed in, or refused by the server

GANGWAY_SERVER and GANGWAY_TOKEN replace the stored sign-in.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog="gangway",
        description="Tenants, tasks, checks and cutovers of a Gangway installation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"gangway {VERSION}")
    group = made.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_sign_in(group)
    _add_lists(group)
    _add_check(group)
    _add_cutover(group)
    return made


def _add(group: argparse._SubParsersAction[_Parser], name: str, command: object) -> _Parser:
    text = (command.__doc__ or "").strip()
    made = group.add_parser(name, help=text.splitlines()[0], description=text)
    made.set_defaults(command=command)
    return made


def _add_sign_in(group: argparse._SubParsersAction[_Parser]) -> None:
    login = _add(group, "login", commands.login)
    login.add_argument("--server", help="address of the installation")
    login.add_argument("--token-stdin", action="store_true", help="read the token from stdin")
    _add(group, "logout", commands.logout)


def _add_lists(group: argparse._SubParsersAction[_Parser]) -> None:
    tenants = _add(group, "tenants", commands.tenants)
    tenants.add_argument("--name", help="part of the name")
    tenants.add_argument("--closed", action="store_true", help="closed tenants only")
    tasks = _add(group, "tasks", commands.tasks)
    tasks.add_argument("--waiting-on", choices=["mimecast", "client"], help="the side that acts")
    tasks.add_argument("--status", help="status, such as todo or regressed")
    tasks.add_argument("--due-before", metavar="DATE", help="for example 2026-12-31")
    tasks.add_argument("--tenant", help="part of the tenant's name")
    for each in (tenants, tasks):
        _add_json(each)


def _add_check(group: argparse._SubParsersAction[_Parser]) -> None:
    check = _add(group, "check", commands.check)
    check.add_argument("domain", metavar="DOMAIN")
    check.add_argument("--kind", help="one kind of check, such as spf")
    check.add_argument(
        "--watch", action="store_true", help="run the checks now and wait for their verdicts"
    )
    check.add_argument(
        "--seconds",
        type=_seconds,
        default=300,
        help=f"longest time for --watch, at most {LONGEST_WATCH_SECONDS} (default 300)",
    )
    _add_json(check)


def _add_cutover(group: argparse._SubParsersAction[_Parser]) -> None:
    cutover = group.add_parser("cutover", help="Show the readiness of cutovers.")
    inner = cutover.add_subparsers(title="commands", required=True, metavar="COMMAND")
    status = _add(inner, "status", commands.cutover_status)
    status.add_argument("--tenant", help="part of the tenant's name")
    status.add_argument("--days", type=_days, default=14, help="days ahead (default 14)")
    _add_json(status)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _seconds(text: str) -> int:
    return _number(text, LONGEST_WATCH_SECONDS)


def _days(text: str) -> int:
    return _number(text, 366)


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= most:
        raise argparse.ArgumentTypeError(f"enter a number from 1 to {most}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Return its exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command in (commands.login, commands.logout):
            return int(options.command(options))
        api = Api(credentials.load())
        try:
            return int(options.command(api, options))
        finally:
            api.close()
    except ClientError as error:
        sys.stderr.write(f"gangway: {error}\n")
        return error.status
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def run() -> NoReturn:
    """The entry point of the program."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
