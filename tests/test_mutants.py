"""The runner of `make mutants`: its targets exist, and it identifies mutants by their change."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings

from tests import slow_tests
from tests.mutant_plugin import caches_of
from tests.mutant_sources import without_decorators
from tests.mutants import (
    ACCEPTED,
    PYTEST,
    TARGETS,
    Mutant,
    Outcome,
    read_accepted,
    read_diff,
    read_results,
)

DIFF = """\
--- checks/settling.py
+++ checks/settling.py
@@ -1,3 +1,3 @@
 def settle():
-    return a and (
+    return a or (
         b)
"""


@pytest.mark.parametrize("name", TARGETS)
def test_target_exists(name: str) -> None:
    root = Path(settings.BASE_DIR)

    assert any(list(root.glob(pattern)) for pattern in TARGETS[name].modules)
    assert [path for path in TARGETS[name].tests if not (root / path).exists()] == []


@pytest.mark.slow
def test_listed_slow_tests_kill_mutants() -> None:
    """`make test` leaves the listed functions out. A mutation test needs every near test."""
    (first, *_) = [
        each for each in sorted(slow_tests.listed()) if each.startswith(TARGETS["proof"].tests)
    ]
    command = [sys.executable, "-m", "pytest", *PYTEST, "--collect-only", "-q", first]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=60
    )

    assert first in done.stdout


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("checks.settling.x_settle__mutmut_12", "checks.settling.settle"),
        ("checks.settling.x__contradict__mutmut_1", "checks.settling._contradict"),
        ("checks.settling.xǁRunResultǁof__mutmut_3", "checks.settling.RunResult.of"),
    ],
)
def test_mutant_is_its_change(name: str, function: str) -> None:
    assert read_diff(name, DIFF) == Mutant(function, "return a and (", "return a or (")


@pytest.mark.parametrize(
    ("before", "after", "is_wording"),
    [
        ('else "an unknown time"', 'else "XXan unknown timeXX"', True),
        ('"" if a else "Do it."', '"" if a else "do it."', True),
        ('"" if a else "Do it."', '"XXXX" if a else "Do it."', False),
        ('f(a, "an unknown time")', 'f(None, "an unknown time")', False),
        ('Finding("mx.foreign")', 'Finding("XXmx.foreignXX")', False),
        ('row("not checked", a < b)', 'row("NOT CHECKED", a <= b)', False),
    ],
)
def test_wording_mutant_is_recognised(before: str, after: str, is_wording: bool) -> None:
    assert Mutant("row", before, after).is_wording is is_wording


def test_printed_mutant_can_be_accepted() -> None:
    mutant = Mutant("settle", 'return "a"', "return 'ä'")

    accepted = read_accepted(mutant.as_toml().replace('reason = ""', 'reason = "Equivalent."'))

    assert accepted == {mutant: "Equivalent."}


def test_accepted_mutant_needs_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        read_accepted(Mutant("settle", "a", "b").as_toml())


def test_accepted_mutants_have_reasons() -> None:
    assert read_accepted(ACCEPTED.read_text())


PRINTED = """\
    checks.settling.x_settle__mutmut_1: survived
    checks.settling.x_settle__mutmut_2: no tests
    checks.settling.x_settle__mutmut_3: timeout
    checks.settling.x_settle__mutmut_4: killed
"""
SURVIVOR = Mutant("checks.settling.settle", "return a and (", "return a or (")
KILLED = Mutant("checks.settling.settle", "return a", "return b")
ELSEWHERE = Mutant("checks.safe_times._hosts", "return a", "return b")


def _outcome(more: str = "") -> Outcome:
    diffs = {"1": DIFF, "2": DIFF.replace("a or (", 'a and ("a b")')}

    def show(names: Sequence[str]) -> str:
        return "".join(f"# {name}: survived\n{diffs[name[-1]]}\n" for name in names)

    return read_results(PRINTED + more, show)


@pytest.mark.parametrize(
    ("accepted", "counts"),
    [
        ([], "2 killed, 2 surviving, 0 accepted, 0 of wording, 0 not checked"),
        ([SURVIVOR], "2 killed, 1 surviving, 1 accepted, 0 of wording, 0 not checked"),
    ],
)
def test_outcome_counts_each_kind(accepted: list[Mutant], counts: str) -> None:
    reasons = dict.fromkeys(accepted, "Equivalent.")

    assert _outcome().report("settling", reasons).endswith(f"settling: {counts}")


@pytest.mark.parametrize("status", ["not checked", "suspicious", "segfault", "skipped"])
def test_other_status_is_unchecked(status: str) -> None:
    assert _outcome(f"    checks.settling.x_settle__mutmut_5: {status}\n").unchecked == 1


def test_killed_mutant_must_not_be_accepted() -> None:
    accepted = dict.fromkeys([SURVIVOR, KILLED, ELSEWHERE], "Equivalent.")

    assert _outcome().outdated(accepted) == [KILLED]


def test_cached_result_does_not_hide_a_mutant() -> None:
    module = ModuleType("parsed")
    module.__dict__["parse"] = functools.cache(lambda text: object())
    first = module.parse("a")

    for clear in caches_of(module):
        clear()

    assert module.parse("a") is not first


DECORATED = '''\
import functools


class Verdicts:
    def __init__(self, names):
        self.names = names

    @property
    def first(self):
        """The first name."""
        return self.names[0]

    @functools.cached_property
    def count(self): return len(self.names)

    @classmethod
    def none(cls):
        return cls([])


@functools.lru_cache(
    maxsize=8
)
@abs_of
def parse(text):
    return -int(text)
'''


def test_decorators_apply_below_the_function() -> None:
    changed = without_decorators(DECORATED)

    scope: dict[str, Any] = {"abs_of": lambda function: lambda text: abs(function(text))}
    exec(changed, scope)
    verdicts = scope["Verdicts"](["a", "b"])
    assert (verdicts.first, verdicts.count, verdicts.none().count) == ("a", 2, 0)
    assert (scope["parse"]("3"), scope["parse"].cache_info().maxsize) == (3, 8)
    assert [line for line in changed.splitlines() if "@" in line] == ["    @classmethod"]
