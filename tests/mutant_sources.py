"""Prepare modules for mutmut, which never changes a decorated function.

`@property` above a function becomes `name = property(name)` below it: the same result, and mutmut
changes the body.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef
# mutmut changes functions with one of these.
_CHANGED_BY_MUTMUT = {"classmethod", "staticmethod"}


def without_decorators(source: str) -> str:
    """Return the source of a module whose functions and methods apply their decorators below."""
    lines = source.splitlines()
    for function in sorted(_decorated(ast.parse(source)), key=lambda f: f.lineno, reverse=True):
        applied = function.name
        for decorator in reversed(function.decorator_list):
            applied = f"({ast.unparse(decorator)})({applied})"
        indent = " " * function.col_offset
        lines.insert(function.end_lineno or 0, f"{indent}{function.name} = {applied}")
        first = min(decorator.lineno for decorator in function.decorator_list)
        del lines[first - 1 : function.lineno - 1]
    return "\n".join(lines) + "\n"


def _decorated(node: ast.Module | ast.ClassDef) -> Iterator[_Function]:
    for each in node.body:
        if isinstance(each, ast.ClassDef):
            yield from _decorated(each)
        elif isinstance(each, _Function) and each.decorator_list:
            names = {ast.unparse(decorator) for decorator in each.decorator_list}
            if not names & _CHANGED_BY_MUTMUT:
                yield each
