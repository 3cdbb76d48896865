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
        assert isinstance(code, ast.Constant), ast.unparse(node)
        params = node.args[1]
        yield (
            str(code.value),
            tuple(ast.unparse(key).strip("'") for key in params.keys if key)
            if isinstance(params, ast.Dict)
            else None,
        )


def all_findings() -> list[tuple[str, tuple[str, ...] | None]]:
    return [found for path in MODULES for found in findings(ast.parse(path.read_text()))]


def test_registered_codes_match_used_codes() -> None:
    assert {code for code, _ in all_findings()} == set(CODES)


def test_findings_have_registered_parameters() -> None:
    spelt = {(code, params) for code, params in all_findings() if params is not None}

    assert spelt <= set(CODES.items())


def test_each_code_is_expected_by_a_test() -> None:
    text = "".join(path.read_text() for path in sorted(TESTS.rglob("*.py")))

    assert [code for code in CODES if f'"{code}"' not in text] == []
