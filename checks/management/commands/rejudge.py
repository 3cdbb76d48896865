"""Print the outcome of the present rules on earlier answers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand

from checks import services
from checks.queries import newest_observations, observations_of
from checks.rejudging import RejudgedObservation, RejudgeResult, rejudge
from tenants import database_time


class Command(BaseCommand):
    """`rejudge [--tenant ID] [--kind mx] [--history] [--apply]`; without --apply it only reads."""

    help = "Judge observations again by the present rules and report the differences."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="one tenant, by its public id")
        parser.add_argument("--kind", help="one kind of check, such as spf")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--history", action="store_true", help="every observation; reports only")
        what.add_argument(
            "--apply",
            action="store_true",
            help="record the new judgement of each check's newest observation as a run; "
            "earlier judgements remain unchanged",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = (observations_of if options["history"] else newest_observations)(
            tenant=options["tenant"], kind=options["kind"]
        )
        counts: Counter[str] = Counter()
        for each in rejudge(found.iterator(chunk_size=500)):
            counts[each.result] += 1
            if each.result in (RejudgeResult.DIFFERENT, RejudgeResult.NEEDS_MORE_ANSWERS):
                self.stdout.write(_line(each))
            if (
                options["apply"]
                and each.result is RejudgeResult.DIFFERENT
                and each.outcome is not None
            ):
                counts["applied"] += services.record_rejudgement(
                    each.observation, each.outcome, now=database_time.now()
                )
        self.stdout.write(
            f"{counts.total() - counts['applied']} observations: "
            f"{counts[RejudgeResult.SAME]} the same, {counts[RejudgeResult.DIFFERENT]} different, "
            f"{counts[RejudgeResult.NEEDS_MORE_ANSWERS]} need further answers, "
            f"{counts[RejudgeResult.NO_RAW_ANSWERS]} without raw answers; "
            f"{counts['applied']} applied."
        )


def _line(each: RejudgedObservation) -> str:
    seen, check = each.observation, each.observation.check_asked
    heading = f"{check.tenant.public_id} {check.kind} {check.subject} {seen.first_seen_at:%F %T}"
    if each.outcome is None:
        return f"{heading}: UNKNOWN, the present rules need further answers: {each.missing}"
    before = " ".join(found["code"] for found in seen.findings)
    after = " ".join(found.code for found in each.outcome.findings)
    return f"{heading}: {seen.verdict} [{before}] -> {each.outcome.verdict} [{after}]"
