"""The prose of the repository, and the names that it mentions.

Prose is the text of docs, docstrings, comments, messages, templates, scripts, style sheets and YAML
files. A mention is a path, a dotted name, an identifier, a command, a Makefile target or a setting
in that prose.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import CodeType

from django.apps import apps
from django.conf import global_settings
from django.core.management import get_commands, load_command_class

from checks.engine import codes
from config import queues

CHECKOUT = Path(__file__).resolve().parent.parent
ROOTS = ("config", "onboarding", "checks", "tenants", "tests")
FOLDERS = (*ROOTS, "templates", "static", "docs")

# Names of examples in the style guide, and of Django.
EXAMPLES = {
    "do_",
    "has_mx",
    "test_spf_with_eleven_lookups_fails",
    "json_script",
    "offline_access",
    "sensitive_variables",
}
# The words that CONTRIBUTING.md retires and that have no other use in the product. "Look up" and
# "lookup" are words of DNS. Words with a second, legitimate meaning (step, case, act) are absent.
# Some uses of keep, take and give are legitimate, such as "takes 80 ms": the limit leaves room.
RETIRED = re.compile(
    r"\b(nobody|somebody|whoever|whatever|those who|anew|meanwhile|beside|as it were"
    r"|by itself|by themselves|told|tells?|telling|says?|said|saying|holds?|held|holding"
    r"|stands?|stood|standing|believed?|believes|belief|look(?! ?up)|looks|looked|looking(?! up)"
    r"|evenings?|blueprints?|rehears\w*|hand-offs?|household|knocks?|dialect|chronicles?|clash\w*"
    r"|objections?|afterwards|nudges?|wishes|surroundings|remarks?|way back|cadence|politeness"
    r"|seats?|chases?|chased|keeps?|kept|keeping|takes?|took|taken|taking|gives?|gave|given"
    r"|giving)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]+")

_PATH = re.compile(
    rf"(?<![\w./<>{{-])((?:{'|'.join(FOLDERS)})/[\w./*-]*[\w/*]|\.ci/run)(?![\w<{{])"
)
_DOTTED = re.compile(rf"(?<![\w./@-])((?:{'|'.join(ROOTS)})(?:\.[A-Za-z_]\w*)+)(?![\w/])")
_COMMENT = re.compile(r"(?m)(?:^|\s)#+ (.+)$")
_SLASH_COMMENT = re.compile(r"/\*(.*?)\*/|(?:^|\s)// (.+?)$", re.DOTALL | re.MULTILINE)
_STRING = re.compile(r'"([^"\n]* [^"\n]*)"|`([^`]* [^`]*)`')
_YAML_KEY = re.compile(r"(?m)^[ -]*[\w.-]+:(?= |$)")
_SPAN = re.compile(r"`([^`\n]+)`")
_IDENTIFIER = re.compile(r"[A-Za-z]\w*_\w*")
_SETTING = re.compile(r"(?<![\w*-])([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?![\w*])")
_COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: [^\s`,;]+)*)")
_MAKE = re.compile(r"(?:`|^ {4})make ([a-z-]+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"([A-Z]\w*)\.(\w+)")
# A finding code such as `spf.none` has the same form.
_MODULE_ATTRIBUTE = re.compile(r"([a-z]\w*)\.(\w+)(?:\(.*\))?")
_SUFFIXES = {
    "css",
    "csv",
    "html",
    "in",
    "ini",
    "js",
    "json",
    "md",
    "microsoft",
    "py",
    "sh",
    "toml",
    "txt",
    "yaml",
    "zip",
}
_LINK = re.compile(r"\]\(([^)\s]+)\)")


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Prose:
    """A piece of prose and its file."""

    file: str
    text: str


# --- Extraction


def docstrings(file: Path) -> Iterator[Prose]:
    tree = tree_of(file)
    for node in (tree, *definitions(tree.body)):
        text = ast.get_docstring(node)
        if text:
            yield Prose(str(file), text)


def definitions(body: Iterable[ast.stmt]) -> Iterator[Definition]:
    """The classes and functions of a block, also nested ones. Walking every node is much slower."""
    for node in body:
        if isinstance(node, Definition):
            yield node
        for block in ("body", "orelse", "finalbody"):
            yield from definitions(getattr(node, block, ()))
        for handler in getattr(node, "handlers", ()):
            yield from definitions(handler.body)


def comments(file: Path) -> Iterator[Prose]:
    """The comments of a module. A hash sign after a space in a string counts as one too: reading
    the tokens instead takes five times as long."""
    for text in _COMMENT.findall(_read(file)):
        yield Prose(str(file), text)


def messages(file: Path) -> Iterator[Prose]:
    """The strings with more than one word. Docstrings are among them."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Prose(str(file), node.value)


def page_text(file: Path) -> Prose:
    """A template without its tags; the comments remain."""
    text = re.sub(r"{%.*?%}|{{.*?}}", " ", _read(file), flags=re.DOTALL)
    return Prose(str(file), re.sub(r"<[^>]+>", " ", text))


def markdown_text(file: Path) -> Prose:
    """A page of the docs without its code."""
    text = re.sub(r"```.*?```|`[^`]*`", "", _read(file), flags=re.DOTALL)
    return Prose(str(file), text)


def script_text(file: Path) -> Prose:
    """The comments of a script or style sheet, and its strings with more than one word."""
    text = _read(file)
    found = _SLASH_COMMENT.findall(text)
    found += _STRING.findall(_SLASH_COMMENT.sub(" ", text)) if file.suffix == ".js" else []
    return Prose(str(file), "\n".join(chain.from_iterable(found)))


def yaml_text(file: Path) -> Prose:
    """A YAML file without its keys; the comments remain."""
    return Prose(str(file), _YAML_KEY.sub(" ", _read(file)))


def product_and_test_prose(files: Iterable[Path]) -> Iterator[Prose]:
    """All prose that people read: of tests the docstrings and comments, of the product all."""
    for file in files:
        if file.suffix == ".py":
            is_test = file.parts[0] == "tests"
            yield from docstrings(file) if is_test else messages(file)
            yield from comments(file)
        elif file.suffix == ".md":
            yield markdown_text(file)
        elif file.suffix in (".js", ".css"):
            yield script_text(file)
        elif file.suffix in (".yaml", ".yml"):
            yield yaml_text(file)
        elif file.parts[0] == "templates" and file.suffix in (".html", ".txt"):
            yield page_text(file)


# --- Mentions that do not resolve


def unresolved(prose: Prose) -> Iterator[str]:
    """The mentions in a text that name nothing: for each the mention itself."""
    text = prose.text
    spans = _SPAN.findall(text)
    yield from (path for path in _PATH.findall(text) if not _path_exists(path))
    yield from (name for name in _DOTTED.findall(text) if not _dotted_exists(name))
    yield from (name for name in _SETTING.findall(text) if name not in identifiers())
    for name, options in _COMMAND.findall(text):
        yield from _unknown_command(name, options)
    yield from (f"make {name}" for name in _MAKE.findall(text) if name not in make_targets())
    for span in spans:
        if _IDENTIFIER.fullmatch(span) and span not in identifiers():
            yield span
        attribute = _ATTRIBUTE.fullmatch(span)
        if attribute and not _attribute_exists(*attribute.groups()):
            yield span
        of_module = _MODULE_ATTRIBUTE.fullmatch(span)
        is_task = span in celery_names()
        if of_module and not is_task and not _module_attribute_exists(*of_module.groups()):
            yield span


def broken_links(file: Path) -> Iterator[str]:
    """The relative links of a Markdown page whose file or heading does not exist."""
    text = re.sub(r"```.*?```", "", _read(file), flags=re.DOTALL)
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        page = (CHECKOUT / file).parent / name if name else CHECKOUT / file
        if not page.exists() or (anchor and anchor not in _anchors(page)):
            yield target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@cache
def tree_of(file: Path) -> ast.Module:
    """The syntax tree of a module. Several rules read all of them."""
    return ast.parse(_read(file))


@cache
def _read(file: Path) -> str:
    return (CHECKOUT / file).read_text(encoding="utf-8")


def _path_exists(path: str) -> bool:
    return any(CHECKOUT.glob(path.rstrip("/."))) if "*" in path else (CHECKOUT / path).exists()


@cache
def _dotted_exists(name: str) -> bool:
    """A module, an attribute of one, a Celery task or a label of a Django app."""
    if name in celery_names():
        return True
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        if _is_module(parts[:cut]):
            return _has_attributes(import_module(".".join(parts[:cut])), parts[cut:])
    return False


def _is_module(parts: list[str]) -> bool:
    path = CHECKOUT.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() or path.is_dir()


def _has_attributes(value: object, names: list[str]) -> bool:
    for name in names:
        if not hasattr(value, name):
            # A field of a model or of a dataclass has no default to find.
            return name in getattr(value, "__annotations__", {}) or _is_field(value, name)
        value = getattr(value, name)
    return True


def _is_field(value: object, name: str) -> bool:
    meta = getattr(value, "_meta", None)
    return meta is not None and name in {field.name for field in meta.get_fields()}


def _attribute_exists(class_name: str, name: str) -> bool:
    """Whether a class of ours has the attribute. Other classes are not ours to check."""
    modules = classes().get(class_name, ())
    return not modules or any(
        _has_attributes(import_module(module), [class_name, name]) for module in modules
    )


def _module_attribute_exists(stem: str, name: str) -> bool:
    """Whether a module of ours with this last name has the attribute, or none has that name."""
    if name in _SUFFIXES or f"{stem}.{name}" in codes.CODES:
        return True
    modules = _modules().get(stem, ())
    return not modules or any(
        _is_module([*module.split("."), name]) or _has_attributes(import_module(module), [name])
        for module in modules
    )


def _unknown_command(name: str, options: str) -> Iterator[str]:
    if name not in get_commands():
        yield f"manage.py {name}"
        return
    command = load_command_class(get_commands()[name], name)
    known = _options(command.create_parser("manage.py", name))
    for option in re.findall(r"--[a-z-]+", options):
        if option not in known:
            yield f"manage.py {name} {option}"


def _options(parser: ArgumentParser) -> set[str]:
    """The options of a command and of its subcommands."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, _SubParsersAction):
            for subparser in action.choices.values():
                found |= _options(subparser)
    return found


# --- The names that exist


@cache
def _python_files() -> tuple[Path, ...]:
    return tuple(
        path.relative_to(CHECKOUT)
        for root in ROOTS
        for path in sorted((CHECKOUT / root).rglob("*.py"))
    )


@cache
def identifiers() -> frozenset[str]:
    """Every name in our code, and every string that has the form of one: keys, codes, settings."""
    tables = {model._meta.db_table for model in apps.get_models()}
    known = (keyword.kwlist, dir(builtins), dir(global_settings), tables, EXAMPLES)
    found: set[str] = set(chain.from_iterable(known))
    for file in _python_files():
        found.update(_names_in(compile(tree_of(file), str(file), "exec")))
    for text in (_read(Path(name)) for name in ("pyproject.toml", ".ci/run", "docker-compose.yml")):
        found.update(re.findall(r"[A-Za-z]\w+", text))
    return frozenset(found)


def _names_in(code: CodeType) -> Iterator[str]:
    """The names of a code object and of those inside it. Compiled code is faster to walk than the
    syntax tree, and contains no comments."""
    for name in (code.co_name, *code.co_names, *code.co_varnames, *code.co_freevars):
        yield from name.split(".")
    yield from _names_in_constants(code.co_consts)


def _names_in_constants(constants: Iterable[object]) -> Iterator[str]:
    for value in constants:
        if isinstance(value, CodeType):
            yield from _names_in(value)
        elif isinstance(value, str) and " " not in value:
            yield from re.findall(r"\w+", value)
        elif isinstance(value, tuple | frozenset):
            yield from _names_in_constants(value)


@cache
def classes() -> dict[str, tuple[str, ...]]:
    """The modules that define each class of the product."""
    found: dict[str, tuple[str, ...]] = {}
    for file in _python_files():
        if file.parts[0] == "tests" or "migrations" in file.parts:
            continue
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for node in tree_of(file).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = (*found.get(node.name, ()), module)
    return found


@cache
def _modules() -> dict[str, tuple[str, ...]]:
    """The modules and packages of the product, by their last name."""
    found: dict[str, tuple[str, ...]] = {}
    for file in _python_files():
        if file.parts[0] != "tests" and not {"migrations", "__main__.py"}.intersection(file.parts):
            module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
            stem = module.rpartition(".")[2]
            found[stem] = (*found.get(stem, ()), module)
    return found


@cache
def celery_names() -> frozenset[str]:
    """The names of the Celery tasks and of the default queue of runs."""
    tasks = [
        name
        for file in _python_files()
        for name in re.findall(r"shared_task\([^)]*?name=\"([\w.]+)\"", _read(file))
    ]
    return frozenset({*tasks, queues.INTERACTIVE, queues.CHECKS})


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"(?m)^([a-z][a-z-]*):", _read(Path("Makefile"))))
