"""Every finding of the engine is registered with its parameters, and no code is unused."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from checks import engine
from checks.engine.codes import CODES

TESTS = Path(__file__).resolve().parents[2]
MODULES = sorted(Path(engine.__path__[0]).rglob("*.py"))


def findings(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Yield each `Finding(...)` with code and parameter names; None for names spelt elsewhere."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"):
            continue
        code = node.args[0]
        if ast.unparse(code).startswith("_FAULTS["):
            continue
        assert isinstance(code, ast.Constant), ast.unparse(node)
        params = node.args[1]
        yield (
            str(code.value),
            tuple(ast.unparse(key).strip("'") for key in params.keys if key)
            if isinstance(params, ast.Dict)
            else None,
        )


def codes_of_faults(tree: ast.Module) -> Iterator[str]:
    """The codes of a module's table `_FAULTS`, from which it takes them."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if ast.unparse(target) == "_FAULTS":
                yield from (ast.literal_eval(value) for value in node.value.values)


def all_findings() -> list[tuple[str, tuple[str, ...] | None]]:
    trees = [ast.parse(path.read_text()) for path in MODULES]
    of_tables = [(code, None) for tree in trees for code in codes_of_faults(tree)]
    return [*of_tables, *(found for tree in trees for found in findings(tree))]


def test_registered_codes_match_used_codes() -> None:
    assert {code for code, _ in all_findings()} == set(CODES)


def test_findings_have_registered_parameters() -> None:
    spelt = {(code, params) for code, params in all_findings() if params is not None}

    assert spelt <= set(CODES.items())


def test_each_code_is_expected_by_a_test() -> None:
    text = "".join(path.read_text() for path in sorted(TESTS.rglob("*.py")))

    assert [code for code in CODES if f'"{code}"' not in text] == []
