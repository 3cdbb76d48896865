"""The rules of CONTRIBUTING.md that linters cannot check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from config.beat_schedule import beat_schedule
from tests import prose
from tests.project_files import project_files
from tests.prose import CHECKOUT, Prose

LONGEST = {".py": 600, ".html": 150, ".css": 150, ".js": 100}
LONGEST_FUNCTION = 50
LONGEST_VIEW = 25
PROSE = (".py", ".md", ".html", ".txt", ".js", ".css", ".yaml", ".yml")
# Of the modules, 95 % are shorter than this.
USUAL_MODULE_LINES = 400
MEDIAN_TEST_NAME = 36
RETIRED_PER_10_000 = 25
MAKE_TARGETS = 15
CHANGELOG_LINE = 120
# Names that Django expects: each model, form, app or command has its own.
DJANGO_CLASS_NAMES = {"Command", "Config", "Meta", "Migration"}
NOT_OURS = ("static/vendor/", "/migrations/")
# Each pattern has two parts, so that this file does not match.
MACHINE_PATHS = re.compile("/" + "work/|/" + "root/|/" + "tmp/wt|/" + "home/[a-z]+/")
ENGINE_WITHOUT_DJANGO = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "celery"):
            raise ImportError(f"{name} is not for the engine")
sys.meta_path.insert(0, Blocker())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
SCRIPT_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)";', re.MULTILINE)
SCRIPT_EXPORT = re.compile(r"^export (?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


def tracked(*suffixes: str) -> list[Path]:
    """The files of the project that people wrote."""
    return [
        file
        for file in project_files()
        if not any(part in f"/{file}" for part in NOT_OURS)
        and (not suffixes or file.suffix in suffixes)
    ]


def text_of(file: Path) -> str:
    return (CHECKOUT / file).read_text(encoding="utf-8")


def functions_in(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in prose.definitions(prose.tree_of(file).body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize(("suffix", "longest"), LONGEST.items())
def test_files_stay_short(suffix: str, longest: int) -> None:
    lengths = {str(file): len(text_of(file).splitlines()) for file in tracked(suffix)}

    too_long = {name: length for name, length in lengths.items() if length > longest}

    assert too_long == {}


def test_functions_stay_short() -> None:
    too_long = {
        f"{file}:{function.name}": length_of(function)
        for file in tracked(".py")
        for function in functions_in(file)
        if length_of(function) > LONGEST_FUNCTION
    }

    assert too_long == {}


def test_views_stay_short() -> None:
    """A longer view does work that belongs in a service or in the domain modules."""
    too_long = {
        f"{file}:{function.name}": length_of(function)
        for file in tracked(".py")
        if file.parts[0] != "tests" and (file.stem.endswith("views") or "views" in file.parts)
        for function in functions_in(file)
        if length_of(function) > LONGEST_VIEW
    }

    assert too_long == {}


def test_most_modules_are_short() -> None:
    lengths = [len(text_of(file).splitlines()) for file in tracked(".py")]

    share = sum(length < USUAL_MODULE_LINES for length in lengths) / len(lengths)

    assert share >= 0.95


def test_class_names_are_unique() -> None:
    names = Counter(
        node.name
        for file in tracked(".py")
        if file.parts[0] != "tests"
        for node in prose.tree_of(file).body
        if isinstance(node, ast.ClassDef)
    )

    repeated = {name for name, count in names.items() if count > 1} - DJANGO_CLASS_NAMES

    assert repeated == set()


def test_test_names_are_short() -> None:
    names = [
        function.name
        for file in tracked(".py")
        if file.parts[0] == "tests"
        for function in functions_in(file)
        if function.name.startswith("test_")
    ]

    assert median(map(len, names)) <= MEDIAN_TEST_NAME


def test_mentioned_names_exist() -> None:
    """Paths, dotted names, identifiers, commands, Makefile targets and settings in prose."""
    pages = [Prose(str(f), text_of(f)) for f in tracked(".md") if f.name != "CHANGELOG.md"]
    modules = tracked(".py")
    texts = [*pages, *(text for file in modules for text in prose.docstrings(file))]
    texts += [text for file in modules for text in prose.comments(file)]

    missing = {f"{text.file}: {name}" for text in texts for name in prose.unresolved(text)}

    assert missing == set()


def test_links_between_pages_resolve() -> None:
    broken = [f"{page}: {link}" for page in tracked(".md") for link in prose.broken_links(page)]

    assert broken == []


def test_retired_words_are_rare() -> None:
    words = 0
    retired: Counter[str] = Counter()
    for text in prose.product_and_test_prose(tracked(*PROSE)):
        words += len(prose.WORD.findall(text.text))
        retired[text.file] += len(prose.RETIRED.findall(text.text))

    per_10_000 = retired.total() / words * 10_000

    assert per_10_000 <= RETIRED_PER_10_000, retired.most_common(20)


def test_changelog_lines_are_short() -> None:
    lines = text_of(Path("CHANGELOG.md")).splitlines()

    too_long = [line for line in lines if len(line) > CHANGELOG_LINE]

    assert too_long == []


def test_changelog_has_the_four_sections() -> None:
    sections = re.findall(r"(?m)^### (.+)$", text_of(Path("CHANGELOG.md")))

    assert set(sections) <= {"Added", "Changed", "Fixed", "Security"}


def test_makefile_has_few_targets() -> None:
    assert len(prose.make_targets()) <= MAKE_TARGETS


@pytest.mark.parametrize(
    "forbidden",
    [
        r"<script(?![^>]*\bsrc=)[^>]*>",
        r"<style\b",
        r"\sstyle\s*=",
        r"\son[a-z]+\s*=\s*[\"']",
        r"\|\s*safe\b",
        r"{%\s*autoescape\s+off",
        r"javascript:",
    ],
)
def test_templates_contain_no_script(forbidden: str) -> None:
    found = [
        f"{file}: {match.group(0)}"
        for file in tracked(".html")
        for match in re.finditer(forbidden, text_of(file), re.IGNORECASE)
    ]

    assert found == []


def test_isolated_forms_receive_their_token() -> None:
    """`only` removes the CSRF token, and a browser's POST is then refused. The test client checks
    no token, so no page test notices."""
    with_forms = {
        str(Path(*file.parts[1:]))
        for file in tracked(".html")
        if "{% csrf_token %}" in text_of(file)
    }
    isolated = [
        (str(file), match.group(1))
        for file in tracked(".html")
        for match in re.finditer(r'{% include "([^"]+)"([^%]*) only %}', text_of(file))
        if match.group(1) in with_forms and "csrf_token=csrf_token" not in match.group(2)
    ]

    assert isolated == []


def test_engine_and_lab_import_without_django() -> None:
    modules = [
        ".".join(file.with_suffix("").parts)
        for file in tracked(".py")
        if file.parts[:2] in (("checks", "engine"), ("checks", "lab"))
    ]

    done = subprocess.run(
        [sys.executable, "-c", ENGINE_WITHOUT_DJANGO, *modules],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_runs_recorded_has_one_receiver() -> None:
    product = [file for file in tracked(".py") if file.parts[0] != "tests"]
    sends = [file for file in product for _ in re.finditer(r"runs_recorded\.send", text_of(file))]
    receives = [
        file
        for file in product
        for _ in re.finditer(r"runs_recorded\.connect|@receiver\(runs_recorded", text_of(file))
    ]

    assert [str(file) for file in sends] == ["checks/reactions.py"]
    assert [str(file.parent) for file in receives] == ["onboarding"]


def test_runs_recorded_is_the_only_signal() -> None:
    made = [
        str(file)
        for file in tracked(".py")
        if file.parts[0] != "tests"
        for _ in re.finditer(r"\bSignal\(\)", text_of(file))
    ]

    assert made == ["checks/signals.py"]


def test_files_name_no_machine_path() -> None:
    found = []
    for file in tracked():
        try:
            text = text_of(file)
        except UnicodeDecodeError:
            continue
        found += [f"{file}: {match.group(0)}" for match in MACHINE_PATHS.finditer(text)]

    assert found == []


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_dependencies_have_a_reason(name: str) -> None:
    lines = [line for line in text_of(Path(name)).splitlines() if line and line[0] not in "#-"]

    without = [line for line in lines if not re.search(r"\S\s+# \S+ \S+", line)]

    assert (without, bool(lines)) == ([], True)


def test_locked_requirements_name_no_index() -> None:
    locks = [Path("requirements.txt"), Path("requirements-dev.txt")]

    found = [str(lock) for lock in locks if re.search(r"(?m)^-|https?://", text_of(lock))]

    assert found == []


# A full lock also blocks new rows that refer to the row, and so deadlocks with their writers.
FULL_LOCKS = {
    "onboarding/lifecycle/erasure.py:_lock_all": "the transaction deletes the rows",
    "onboarding/plan_templates/upgrade.py:upgrade_plan": "it deletes sheets with their tasks",
    "onboarding/plans/queries.py:lock_tasks": "its argument `deletes` decides",
    "onboarding/cutovers/planning.py:_lock": "its argument `deletes` decides",
}


def full_locks_in(function: ast.AST) -> int:
    """The number of locks that are not declared as `no_key=True`."""
    return sum(
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("select_for_update")
        and not any(k.arg == "no_key" and ast.unparse(k.value) == "True" for k in node.keywords)
        for node in ast.walk(function)
    )


def test_full_locks_have_a_reason() -> None:
    product = [file for file in tracked(".py") if file.parts[0] != "tests"]
    found = {
        f"{file}:{function.name}"
        for file in product
        for function in functions_in(file)
        if full_locks_in(function)
    }

    assert found == FULL_LOCKS.keys()


# Calls of a beat task that are one SQL statement for all tenants, so that no tenant delays another.
ONE_STATEMENT = {
    "idempotency.delete_expired",
    "import_stages.resume",
    "imports.delete_abandoned",
    "imports.delete_old",
    "outbox.delete_old",
    "services.delete_old",
    "delivery.delete_old_messages",
}


def scheduled_name_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The name under which Celery knows the function; empty for any other function."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "shared_task":
            for keyword in decorator.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return ""


def does_queue(call: ast.Call) -> bool:
    *owner, name = ast.unparse(call.func).split(".")
    return (
        name in ("delay", "apply_async")
        or name.startswith(("queue_", "_queue"))
        or owner == ["logger"]
    )


def work_of(function: ast.AST) -> list[str]:
    """The calls that do the work of a beat task in place: in a loop, or as a statement."""
    repeated: list[ast.AST] = []
    calls = []
    for node in ast.walk(function):
        match node:
            case ast.For() | ast.AsyncFor() | ast.While():
                repeated += node.body
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                repeated.append(node.elt)
            case ast.DictComp():
                repeated += [node.key, node.value]
            case ast.Expr(value=ast.Call() as call):
                calls.append(call)
    calls += [node for part in repeated for node in ast.walk(part) if isinstance(node, ast.Call)]
    return sorted({ast.unparse(call.func) for call in calls if not does_queue(call)})


def test_beat_tasks_only_queue() -> None:
    scheduled = {entry["task"] for entry in beat_schedule(tick_seconds=20).values()}
    tasks = {
        scheduled_name_of(function): function
        for file in tracked(".py")
        if file.parts[0] != "tests"
        for function in functions_in(file)
    }

    work = {name: set(work_of(tasks[name])) - ONE_STATEMENT for name in scheduled}

    assert {name: calls for name, calls in work.items() if calls} == {}


@pytest.mark.parametrize(
    ("body", "work"),
    [
        ("for pk in tenant_ids(): one.delay(pk)", []),
        ("for pk in tenant_ids(): one.apply_async(args=(pk,))", []),
        ("queue_reminders(unsent())", []),
        ("for tenant in tenants(): services.notify(tenant)", ["services.notify"]),
        ("for tenant in tenants(): one.delay(services.notify(tenant))", ["services.notify"]),
        ("for tenant in tenants():\n  if services.notify(tenant): pass", ["services.notify"]),
        ("count = sum(services.notify(each) for each in tenants())", ["services.notify"]),
        ("services.notify_all()", ["services.notify_all"]),
    ],
)
def test_work_in_beat_task_is_found(body: str, work: list[str]) -> None:
    assert work_of(ast.parse(body)) == work


# Their results depend on the Python version, and with them a verdict.
VERSION_DEPENDENT = {
    "create_default_context": "certificates.client_context sets every flag",
    "is_global": "checks.engine.addresses.is_public has its own list",
    "is_private": "checks.engine.addresses.is_public has its own list",
    "is_reserved": "checks.engine.addresses.is_public has its own list",
    "getaddresses": "its `strict` parameter is new",
    "get_event_loop": "use asyncio.run",
    "utcnow": "use database_time.now",
}
# The clock of this machine is enough: nothing of these is stored with moments of other machines.
# Commands without a database, the offset itself, rate limits, and the end of Django's sessions.
OWN_CLOCK = {
    "checks/management/arguments.py",
    "checks/management/commands/lab.py",
    "checks/management/commands/probe.py",
    "onboarding/management/load/sources.py",
    "tenants/database_time.py",
    "tenants/staff_groups.py",
    "tenants/throttle.py",
}


def test_moments_come_from_the_clock_of_the_database() -> None:
    """Workers and web processes run on several machines, whose clocks differ."""
    used = {
        file.as_posix()
        for file in tracked(".py")
        if file.parts[0] in ("checks", "onboarding", "tenants") and "migrations" not in file.parts
        if re.search(r"\btimezone\.now\b", text_of(file))
    }

    assert used == OWN_CLOCK


def test_robust_work_after_commit_has_a_name() -> None:
    """Django logs the `__qualname__` of failed work, which a partial does not have."""
    found = {
        f"{path}:{call.lineno}"
        for path in tracked(".py")
        for call in ast.walk(ast.parse(text_of(path)))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith("on_commit")
        and any(word.arg == "robust" for word in call.keywords)
        and not isinstance(call.args[0], ast.Lambda | ast.Name)
    }

    assert found == set()


def test_no_default_depends_on_python_version() -> None:
    product = [
        f for f in tracked(".py") if f.parts[0] in ("checks", "config", "onboarding", "tenants")
    ]
    used = [
        f"{file}: {name}"
        for file in product
        for node in ast.walk(prose.tree_of(file))
        if isinstance(node, ast.Attribute | ast.Name)
        for name in [node.attr if isinstance(node, ast.Attribute) else node.id]
        if name in VERSION_DEPENDENT
    ]

    assert used == []


def test_imported_names_of_scripts_exist() -> None:
    """No build step resolves the imports: a missing name stops the whole script in the browser."""
    scripts = {file.name: text_of(file) for file in tracked(".js")}

    missing = [
        f"{name}: {imported.strip()} of {source}"
        for name, text in scripts.items()
        for names, source in SCRIPT_IMPORT.findall(text)
        for imported in filter(str.strip, names.split(","))
        if imported.split(" as ")[0].strip() not in SCRIPT_EXPORT.findall(scripts.get(source, ""))
    ]

    assert sum(len(SCRIPT_IMPORT.findall(text)) for text in scripts.values()) > 1
    assert missing == []
