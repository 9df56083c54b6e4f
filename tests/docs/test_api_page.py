"""docs/api.md, typed to the letter: every command and every program on it is run, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.printed import printed_line
from tests.receiver.connections.test_strangers import LINKER, OPERATOR, READER
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER
from tests.support.service import Service

PAGE = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text()


def test_what_the_page_says_is_printed(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    fell = service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    names = {"REFERENCE": who, "USER": f"customer-{who[:6]}", "EVENT": fell["id"]}
    tokens = {"TOKEN": READER, "LINK_TOKEN": LINKER, "OPERATOR_TOKEN": OPERATOR, "PRIVACY_TOKEN": OFFICER}
    environment = os.environ | tokens | {"BASE": f"http://{service.address}:{service.port}"}
    exports, *blocks = re.findall(r"```(console|python)\n(.*?)```", PAGE, re.DOTALL)
    assert exports[1].count("export") == 2
    printed = ""
    for kind, text in blocks:
        for name, value in names.items():
            text = re.sub(rf"\b{name}\b", value, text)
        if kind == "python":
            printed = run([sys.executable, "-c", text], environment)
            continue
        # One shell for a block: what a line sets, the next may use.
        script = "".join(f"{line.removeprefix('$ ')}\necho\n" for line in text.splitlines() if line.startswith("$ "))
        printed = run(["bash", "-ec", script], environment) if script else printed
        for line in text.splitlines():
            assert line.startswith("$ ") or printed_line(line, printed, {}), f"{line!r} was not printed, but:\n{printed}"


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
