"""The privacy officer's page, followed to the letter: its commands are run in its order, by whom it says, and say what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.support import payloads
from tests.support.service import Service

PAGE = (Path(__file__).parent.parent.parent / "docs" / "privacy.md").read_text()
BLOCK = re.compile(r"<!-- by: (\w+) -->\n```console\n(.*?)```", re.DOTALL)
TOKENS = {"operator": "operate-me-if-you-may", "officer": "protect-me-if-you-may"}


def steps() -> list[tuple[str, str, list[str]]]:
    """Who types what, and what is to be seen."""
    found: list[tuple[str, str, list[str]]] = []
    for who, block in BLOCK.findall(PAGE):
        for line in block.splitlines():
            if line.startswith("$ standing "):
                found.append((who, line.removeprefix("$ standing "), []))
            else:
                found[-1][2].append(line)
    return found


def asked(service: Service, command: str, user: str, **settings: str) -> str:
    """Another request for somebody; its id."""
    done = service.standing(*command.split(), "--user", user, "--reason", "asked", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    found: str = json.loads(done.stdout)["id"]
    return found


def test_each_command_of_the_page_does_what_the_page_says(service: Service, tmp_path: Path) -> None:
    service.environment["RETENTION"] = "approved:5y"
    for user in ("user-1", "user-2"):
        service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN") | {"externalUserId": user})
    names = {"USER": "user-1", "FILE": str(tmp_path / "told.json")}
    for who, command, shown in steps():
        service.environment["STANDING_TOKEN"] = TOKENS["operator"]
        if "OPEN" in command and "OPEN" not in names:
            service.environment["RETENTION"] = ""
            names["OPEN"] = asked(service, "erasures request", "user-2")
        service.environment["STANDING_TOKEN"] = TOKENS[who]
        typed = shlex.split(command)
        is_request = typed[:2] in (["erasures", "request"], ["holds", "place"])
        done = service.standing(*(names.get(word, word) for word in typed), *(["--json"] if is_request else []))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if is_request:
            names["ERASURE" if typed[0] == "erasures" else "HOLD"] = json.loads(done.stdout)["id"]
        for line in shown:
            assert line in done.stdout, (command, done.stdout)


def test_the_page_shows_every_part_of_the_procedure() -> None:
    typed = {" ".join(command.split()[:2]) for _, command, _ in steps()}
    assert typed >= {
        "erasures request", "erasures approve", "erasures refuse", "erasures certificate", "erasures readmit", "relationship end",
        "holds place", "holds lift", "retention preview", "retention run", "access-export USER",
    }  # fmt: skip
