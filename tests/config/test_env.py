"""The typed readers of environment variables."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("mx.example", ("mx.example", 25)),
        ("mx.example:2525", ("mx.example", 2525)),
    ],
)
def test_host_and_port(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[str, int] | None
) -> None:
    monkeypatch.setenv("TARGET", text)

    assert env.host_and_port("TARGET", 25) == expected


@pytest.mark.parametrize("text", [":25", "mx.example:0", "mx.example:65536", "mx.example:²"])
def test_bad_host_and_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TARGET", text)

    with pytest.raises(ImproperlyConfigured):
        env.host_and_port("TARGET", 25)
