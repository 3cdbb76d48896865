"""Mutation tests of the safety modules: `python -m tests.mutants [NAME ...]`, or `make mutants`.

Each name is one entry of TARGETS. mutmut changes a copy of the module, one place at a time, and
runs the nearest tests. A mutant that no test kills is a survivor. After each target, the program
prints the survivors that `tests/mutants_accepted.toml` does not accept and the accepted mutants
that do not survive, and ends with status 1 if there are any. It counts, but does not print,
survivors that change only the wording of a sentence.

`--minutes N` ends each target after N minutes. The program then prints the survivors found so far
and the number of unchecked mutants, and ends with status 1. `--children N` limits the processes.
`--modules terms.py` changes only one module of a target.

mutmut changes the bodies of functions, not constants. It works in a temporary copy of the project,
so the checkout never changes. In the copy, decorators are applied below their functions.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.mutant_sources import without_decorators
from tests.project_files import project_files

ROOT = Path(__file__).resolve().parent.parent
ACCEPTED = ROOT / "tests" / "mutants_accepted.toml"
PACKAGES = ("checks", "config", "onboarding", "tenants")
KILLED = ("killed", "timeout")
# "no tests" means that the nearest tests never call the function.
SURVIVING = ("survived", "no tests")
_SPF = ("check", "check_host", "expansion", "judgement", "macros", "networks", "proposal", "terms")
# Without the list of slow tests: a test of 80 ms is too slow for `make test`, but kills mutants.
PYTEST = (
    "-n",
    "0",
    *(f"-pno:{each}" for each in ("cacheprovider", "randomly", "tests.slow_tests")),
)
# In one process, because mutmut needs seconds to start.
_SHOW_EACH = """
import sys
from mutmut.__main__ import cli
for name in sys.argv[1:]:
    cli.main(["show", name], standalone_mode=False)
"""
# `mutmut show` prints it above each diff.
_HEADING = re.compile(r"^# (\S+__mutmut_[0-9]+): .*$", re.MULTILINE)
_TEXT = re.compile(r'"([^"]*)"')
_NAME = re.compile(r"(?P<module>\S+)\.x(?:_(?=\w))?(?P<function>\S+?)__mutmut_[0-9]+")


@dataclass(frozen=True)
class Target:
    """Modules to change, as glob patterns, and the tests that must notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def limited_to(self, pattern: str) -> Target:
        """Return the target with only those of its modules that match the glob pattern."""
        paths = (path.relative_to(ROOT) for glob in self.modules for path in ROOT.glob(glob))
        return Target(tuple(str(path) for path in paths if path.match(pattern)), self.tests)


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "settling": Target(("checks/settling.py",), ("tests/checks/test_settling.py",)),
        "safe_times": Target(("checks/safe_times.py",), ("tests/checks/test_safe_times.py",)),
        "mx": Target(("checks/engine/mx.py",), ("tests/checks/engine/test_mx.py",)),
        "spf": Target(
            tuple(f"checks/engine/spf/{name}.py" for name in _SPF), ("tests/checks/engine/spf",)
        ),
        # Modules of SPF whose own tests suffice: each mutant takes a second.
        **{
            f"spf_{name}": Target(
                (f"checks/engine/spf/{name}.py",), (f"tests/checks/engine/spf/test_{name}.py",)
            )
            for name in ("authorised", "check_host_cache", "repair")
        },
        "closing_obligations": Target(
            ("onboarding/plans/closing_obligations.py",),
            ("tests/onboarding/plans/test_closing_obligations.py",),
        ),
        "proof": Target(
            ("onboarding/plans/proof.py",),
            (
                "tests/onboarding/plans/test_proof.py",
                "tests/onboarding/plans/test_proof_sources.py",
                "tests/onboarding/plans/test_proof_subjects.py",
            ),
        ),
        "evaluation": Target(
            ("onboarding/plans/evaluation.py",),
            (
                "tests/onboarding/plans/test_evaluation.py",
                "tests/onboarding/plans/test_plan_context.py",
                "tests/onboarding/plans/test_proof.py",
                "tests/onboarding/plans/test_timed_tasks.py",
            ),
        ),
        "transitions": Target(
            ("onboarding/plans/transitions.py",),
            (
                "tests/onboarding/plans/test_refusals.py",
                "tests/onboarding/plans/test_transition_facts.py",
                "tests/onboarding/plans/test_transitions.py",
            ),
        ),
        "undo": Target(("onboarding/plans/undo.py",), ("tests/onboarding/plans/test_undo.py",)),
        "plan_safe_times": Target(
            ("onboarding/plans/safe_times.py",),
            (
                "tests/onboarding/plans/test_safe_time_rules.py",
                "tests/onboarding/plans/test_safe_times.py",
                "tests/onboarding/plans/test_stored_safe_times.py",
            ),
        ),
        "readiness": Target(
            ("onboarding/cutovers/readiness/*.py",),
            tuple(
                f"tests/onboarding/cutovers/test_readiness{part}.py"
                for part in ("", "_checks", "_other_tasks", "_tasks", "_ttl")
            ),
        ),
    }
)


@dataclass(frozen=True)
class Mutant:
    """One change: the function with its module, and its lines before and after.

    Stable when other code moves.
    """

    function: str
    before: str
    after: str

    @property
    def is_wording(self) -> bool:
        """Whether the change is only in the text of a sentence, which people review."""
        return _without_sentences(self.before) == _without_sentences(self.after)

    def as_toml(self) -> str:
        fields = (("function", self.function), ("before", self.before), ("after", self.after))
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields]
        return "\n".join(["[[accepted]]", *lines, 'reason = ""'])


def _without_sentences(code: str) -> str:
    """A text with a space is a sentence for a page. A code, a key or an address has none."""
    return _TEXT.sub(lambda text: "_" if " " in text[1] else text[0], code)


def read_accepted(text: str) -> dict[Mutant, str]:
    """Return the reason for each accepted survivor. Raises ValueError for one without a reason."""
    accepted = {}
    for entry in tomllib.loads(text).get("accepted", ()):
        reason = entry.pop("reason", "").strip()
        mutant = Mutant(**entry)
        if not reason:
            raise ValueError(f"no reason for the accepted mutant in {mutant.function}")
        accepted[mutant] = reason
    return accepted


def read_diff(name: str, diff: str) -> Mutant:
    """Return the mutant that `mutmut show` prints as a unified diff."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    sides = [
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+")
    ]
    return Mutant(_function(name), *sides)


def _function(name: str) -> str:
    """Return the function of a mutant's name, with its module."""
    parts = _NAME.fullmatch(name)
    assert parts, f"not the name of a mutant: {name}"
    # mutmut writes a method as ǁClassǁmethod.
    return f"{parts['module']}.{parts['function'].strip('ǁ').replace('ǁ', '.')}"


@dataclass(frozen=True)
class Outcome:
    """The survivors of one target, the numbers of other mutants, and all changed functions."""

    survivors: tuple[Mutant, ...]
    killed: int
    unchecked: int
    functions: frozenset[str]

    def report(self, name: str, accepted: Mapping[Mutant, str]) -> str:
        """Return the mutants to print, and one line with the counts."""
        wording = [mutant for mutant in self.survivors if mutant.is_wording]
        unaccepted, outdated = self.unaccepted(accepted), self.outdated(accepted)
        others = len(self.survivors) - len(wording) - len(unaccepted)
        counts = (
            f"{name}: {self.killed} killed, {len(unaccepted)} surviving, {others} accepted, "
            f"{len(wording)} of wording, {self.unchecked} not checked"
        )
        killed = [f"# Accepted, but killed or gone:\n{mutant.as_toml()}" for mutant in outdated]
        return "\n\n".join([*(m.as_toml() for m in unaccepted), *killed, counts])

    def is_clean(self, accepted: Mapping[Mutant, str]) -> bool:
        """Whether all mutants are checked and none contradicts the accepted list."""
        return not (self.unchecked or self.unaccepted(accepted) or self.outdated(accepted))

    def unaccepted(self, accepted: Mapping[Mutant, str]) -> list[Mutant]:
        """Return the survivors that a test must kill, or that need an accepted reason."""
        return [m for m in self.survivors if not m.is_wording and m not in accepted]

    def outdated(self, accepted: Mapping[Mutant, str]) -> list[Mutant]:
        """Return the accepted mutants of this target that do not survive.

        They also show that the run works: an equivalent mutant that is killed means that the
        tests fail for another reason.
        """
        if self.unchecked:
            return []
        return [m for m in accepted if m.function in self.functions and m not in self.survivors]


def outcome(
    target: Target, folder: Path, *, minutes: float | None, children: int | None
) -> Outcome:
    """Run mutmut on the copy of the project in `folder`, for at most `minutes`."""
    _configure(target, folder)
    for path in (path for pattern in target.modules for path in folder.glob(pattern)):
        path.write_text(without_decorators(path.read_text()))
    limit = [f"--max-children={children}"] if children else []
    command = [sys.executable, "-m", "mutmut", "run", *limit]
    # The progress display is only for a terminal: in a file, each update would be a line.
    output = None if sys.stdout.isatty() else subprocess.PIPE
    # A session of its own: at the limit, mutmut and the test processes that it forked all end.
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            printed, errors = run.communicate(timeout=minutes and minutes * 60)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGTERM)
            run.communicate()
        else:
            if run.returncode:
                reason = f"mutmut ended with status {run.returncode}"
                sys.exit(f"{printed or ''}{errors or ''}{reason}")
    results = _python(folder, "-m", "mutmut", "results", "--all", "true")
    return read_results(results, lambda names: _python(folder, "-c", _SHOW_EACH, *names))


def read_results(printed: str, show: Callable[[Sequence[str]], str]) -> Outcome:
    """Read the lines of `mutmut results`. A status other than killed or surviving is unchecked."""
    statuses = [line.strip().rpartition(": ")[::2] for line in printed.splitlines()]
    surviving = [name for name, status in statuses if status in SURVIVING]
    killed = sum(status in KILLED for _, status in statuses)
    # The text before the first heading is empty.
    _, *shown = _HEADING.split(show(surviving)) if surviving else [""]
    return Outcome(
        survivors=tuple(map(read_diff, shown[::2], shown[1::2])),
        killed=killed,
        unchecked=len(statuses) - len(surviving) - killed,
        functions=frozenset(_function(name) for name, _ in statuses),
    )


def _copy_project(folder: Path) -> None:
    for file in project_files(ROOT):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)


def _configure(target: Target, folder: Path) -> None:
    others = sorted(p.name for p in folder.iterdir() if p.name not in (*PACKAGES, "tests"))
    settings = {
        "source_paths": list(PACKAGES),
        "only_mutate": list(target.modules),
        "also_copy": others,
        "pytest_add_cli_args_test_selection": list(target.tests),
        "pytest_add_cli_args": [*PYTEST, "-p", "tests.mutant_plugin"],
        "use_git_change_detection": False,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n" + "\n".join(lines) + "\n")
    # The published test suites are in the environment, next to the code under test.
    (folder / "mutants").mkdir()
    (folder / "mutants" / ".venv").symlink_to(ROOT / ".venv")


def _environment() -> dict[str, str]:
    # A terminal of this width shows a mutant's name in one line.
    return os.environ | {"COLUMNS": "200"}


def _python(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Mutation tests of the safety modules.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, help="limit for each target")
    parser.add_argument("--modules", metavar="GLOB", help="only these modules of the target")
    parser.add_argument("--children", type=int, help="processes at one time (default: one a core)")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(TARGETS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(TARGETS)}")
    accepted = read_accepted(ACCEPTED.read_text())
    is_complete = True
    for name in options.names or TARGETS:
        with tempfile.TemporaryDirectory(prefix="gangway-mutants-") as folder:
            _copy_project(Path(folder))
            target = TARGETS[name].limited_to(options.modules or "*")
            found = outcome(
                target, Path(folder), minutes=options.minutes, children=options.children
            )
        sys.stdout.write(found.report(name, accepted) + "\n\n")
        sys.stdout.flush()
        is_complete &= found.is_clean(accepted)
    return int(not is_complete)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
