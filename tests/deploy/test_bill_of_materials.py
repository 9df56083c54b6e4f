"""The bill of materials: it names what the lock file names, and no other package."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.deploy.installing import ROOT


def test_it_names_every_package_of_the_lock_file_with_its_hashes(built: Path) -> None:
    bill = json.loads((built / "standing.cdx.json").read_text())
    locked = set(re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {(part["name"], part["version"]) for part in bill["components"]} == locked
    assert all(part["externalReferences"][0]["hashes"] for part in bill["components"])
    assert bill["metadata"]["component"]["name"] == "standing"


def test_it_follows_the_schema_of_cyclonedx(built: Path) -> None:
    text = (built / "standing.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.from_version(json.loads(text)["specVersion"])).validate_str(text) is None
