"""A compose file as its services are: variables filled in, and what a container of each is started with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.containers.building import ROOT, Image
from tests.deploy.containers.running import Wanted, volume

FOLDER = ROOT / "deploy"
SECRETS = "/run/secrets"

#: `${NAME}`, `${NAME:-otherwise}`, `${NAME:?why it is needed}`.
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")


def load(name: str, **variables: str) -> dict[str, Any]:
    """Return a compose file. Raises KeyError where a variable is needed that was not given."""
    loaded: dict[str, Any] = yaml.safe_load(_filled((FOLDER / name).read_text(), variables))
    return loaded


def variables(name: str) -> set[str]:
    """Return the variables that a compose file takes."""
    return {found[1] for found in _VARIABLE.finditer((FOLDER / name).read_text())}


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1], found[2]) if found[2] is not None else variables[found[1]], text)


def as_container(image: Image, compose: dict[str, Any], name: str, folder: Path, **more: Any) -> Wanted:
    """Return what a container of a service is started with. Named volumes are folders in `folder`; the secrets are where it says."""
    service = compose["services"][name]
    volumes = dict(entry.split(":")[::-1] for entry in service.get("volumes", ()))
    places = {secret: Path(compose["secrets"][secret]["file"]) for secret in service.get("secrets", ())}
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    return Wanted(
        command=more.pop("command", service["command"]),
        environment=service.get("environment", {}),
        volumes={place: _existing(image, place, folder / source) for place, source in volumes.items()},
        files={f"{SECRETS}/{secret}": path for secret, path in places.items()} | more.pop("files", {}),
        tmpfs=dict(entry.split(":", 1) for entry in service.get("tmpfs", ())),
        hostname=service.get("hostname", name),
        **more,
    )


def seconds(text: str) -> float:
    """Return a duration of whole seconds."""
    return float(text.removesuffix("s"))


def _existing(image: Image, place: str, folder: Path) -> Path:
    return folder if folder.exists() else volume(image, place, folder)
