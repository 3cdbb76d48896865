"""The files of the project are listed without git."""

from __future__ import annotations

from pathlib import Path

from tests.project_files import project_files


def test_ignored_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("# ours\n/var/\n__pycache__/\n*.pyc\n")
    for name in (".git/config", "var/data", "a/var/kept", "a/__pycache__/b.pyc", "c.pyc", "d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    assert [str(file) for file in project_files(tmp_path)] == [".gitignore", "d.py", "a/var/kept"]
