"""The parts of Dockerfile and docker-compose.yml that a test can check without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import queues

CHECKOUT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
SERVICES = sorted(COMPOSE["services"])
RUNS_ONCE = "migrate"


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_compose_has_all_services() -> None:
    workers = [f"{name}-worker" for name in queues.WORKERS]

    assert sorted(["beat", "live", "migrate", "postgres", "redis", "web", *workers]) == SERVICES


@pytest.mark.parametrize("name", queues.WORKERS)
def test_compose_serves_every_queue(name: str) -> None:
    command = service(f"{name}-worker")["command"]

    assert command[command.index("--queues") + 1] == queues.WORKERS[name][0]
    assert f"--destination {name}@" in service(f"{name}-worker")["healthcheck"]["test"][1]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(name: str) -> None:
    confined = service(name)

    assert confined["read_only"] is True
    assert confined["cap_drop"] == ["ALL"]
    assert confined["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != RUNS_ONCE])
def test_lasting_services_have_health_checks(name: str) -> None:
    health = service(name)["healthcheck"]

    assert health["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(health)


def test_no_service_runs_as_root() -> None:
    users = {name: service(name).get("user", "image") for name in SERVICES}
    of_the_image = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert users == {
        "beat": "image",
        "live": "image",
        "migrate": "image",
        "postgres": "postgres",
        "redis": "redis",
        "web": "image",
        **{f"{name}-worker": "image" for name in queues.WORKERS},
    }
    assert of_the_image == ["10001"]


def test_images_are_pinned() -> None:
    pulled = [service(name)["image"] for name in ("postgres", "redis")]
    pulled += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    unpinned = [image for image in pulled if not re.search(r":\d+\.\d+", image)]

    assert unpinned == []


def test_secrets_have_no_default() -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{((?:SECRET_KEY|ALLOWED_HOSTS|\w*PASSWORD)[^}]*)\}", text)

    # A variable that may be unset is empty then, which grants nothing.
    with_default = [s for s in secrets if ":?" not in s and not s.endswith(":-")]

    assert (with_default, len(secrets)) == ([], 8)


def test_only_pages_and_streams_are_published_on_loopback() -> None:
    published = {name: service(name)["ports"] for name in SERVICES if "ports" in service(name)}

    assert published == {"live": ["127.0.0.1:8001:8001"], "web": ["127.0.0.1:8000:8000"]}


def test_deployment_excludes_lab_and_sample() -> None:
    texts = (CHECKOUT / "docker-compose.yml").read_text() + DOCKERFILE

    assert re.findall(r"\bLAB\b|load_sample|lab serve", texts) == []
