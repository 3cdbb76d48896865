"""The client sends its token to the server that the user named, and to no other."""

from __future__ import annotations

import pytest

from gangway_client.api import own_address, waiting_address
from gangway_client.credentials import server_address
from gangway_client.errors import ClientError

SERVER = "https://gangway.example"
LOCAL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("server", "location", "expected"),
    [
        (SERVER, "/live/api/v1/x/?a=b", f"{SERVER}/live/api/v1/x/?a=b"),
        (SERVER, "https://elsewhere.example/live/x/?a=b", f"{SERVER}/live/x/?a=b"),
        (SERVER, "https://gangway.example:8443/live/x/?a=b", f"{SERVER}/live/x/?a=b"),
        (SERVER, "http://gangway.example/live/x/?a=b", f"{SERVER}/live/x/?a=b"),
        (SERVER, "//elsewhere.example/live/x/?a=b", f"{SERVER}/live/x/?a=b"),
        (LOCAL, "http://127.0.0.1:8001/live/x/?a=b", "http://127.0.0.1:8001/live/x/?a=b"),
        (LOCAL, "http://10.0.0.1:8001/live/x/?a=b", f"{LOCAL}/live/x/?a=b"),
        (LOCAL, "http://127.0.0.1.evil.example/x/?a=b", f"{LOCAL}/x/?a=b"),
    ],
)
def test_waiting_address(server: str, location: str, expected: str) -> None:
    assert waiting_address(server, location) == expected


def test_next_page_is_on_the_same_server() -> None:
    address = own_address(SERVER, "https://elsewhere.example/api/v1/tasks/?cursor=x")

    assert address == f"{SERVER}/api/v1/tasks/?cursor=x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gangway.example", SERVER),
        ("https://gangway.example/t/abc/", SERVER),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_server_address(text: str, expected: str) -> None:
    assert server_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "http://gangway.example",
        "http://127.0.0.1.evil.example",
        "https://me:secret@gangway.example",
        "https://gangway.example:99999",
        "file:///etc/passwd",
    ],
)
def test_unsafe_address_is_refused(text: str) -> None:
    with pytest.raises(ClientError):
        server_address(text)
