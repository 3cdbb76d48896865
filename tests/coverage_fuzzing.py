"""Fuzzing of one parser with atheris: `python -m tests.coverage_fuzzing NAME FOLDER [OPTION ...]`.

libFuzzer changes inputs that reach new branches. The options are those of libFuzzer, such as
`-max_total_time=60`. It ends with status 0, or prints the error and stores the input that raises it
in FOLDER. `python -m tests.coverage_fuzzing NAME FOLDER FILE` repeats one input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris
import django

# Code that is not instrumented runs, but guides nothing. Instrumenting all of it takes minutes.
OURS = [
    *("checks.engine", "onboarding.requirements", "onboarding.collaboration.markdown"),
    *("onboarding.plan_templates.yaml_file", "onboarding.plan_templates.yaml_tasks"),
    "tenants.yaml_schema",
]
LIBRARIES = {
    "DNS": ["dns.message", "dns.rdata", "dns.wire", "dns.name"],
    "message": ["dkim"],
    "XLSX worksheet": ["openpyxl.worksheet", "openpyxl.cell"],
    "XLSX workbook": ["openpyxl.workbook", "openpyxl.reader"],
    "plan template": ["yaml"],
}


def main() -> None:
    name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=[*OURS, *LIBRARIES.get(name, [])]):
        django.setup()
        from tests.fuzzed_parsers import PARSERS, attempt  # noqa: PLC0415 - instruments its imports
    parser = PARSERS[name]
    corpus = Path(folder) / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate((b"".join(parser.pieces), *parser.pieces, *parser.seeds)):
        (corpus / f"seed-{number}").write_bytes(seed)
    dictionary = Path(folder) / "dictionary"
    dictionary.write_text("".join(f'"{_escaped(piece)}"\n' for piece in parser.pieces))
    replayed = options if options and not options[0].startswith("-") else [str(corpus)]
    arguments = [f"-artifact_prefix={folder}/", f"-dict={dictionary}", "-rss_limit_mb=1500"]
    atheris.Setup(
        [sys.argv[0], *arguments, *options, *replayed], lambda data: attempt(parser, data)
    )
    atheris.Fuzz()


def _escaped(piece: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in piece)


if __name__ == "__main__":
    main()
