"""docs/starting.md, typed to the letter: every command and the program on it are run against played vendors."""

from __future__ import annotations

import os
import re
import sys
import uuid
from pathlib import Path

from store.starts.requests import FailureKind, StartStatus
from tests.docs.printed import printed_line
from tests.docs.test_api_page import run
from tests.support.vendors.starts import STARTER, starting

PAGE = (Path(__file__).parent.parent.parent / "docs" / "starting.md").read_text()


def test_what_the_page_says_is_printed(database_url: str, redis_url: str, tmp_path: Path) -> None:
    exports, *blocks = re.findall(r"```(console|python)\n(.*?)```", PAGE, re.DOTALL)
    assert exports[1].count("export") == 2
    mark, printed = uuid.uuid4().hex[:8], ""
    with starting(tmp_path, database_url, redis_url) as (service, _):
        environment = os.environ | {"TOKEN": STARTER, "BASE": f"http://{service.address}:{service.port}"}
        for kind, page_text in blocks:
            text = re.sub(r"\b(KEY|USER)-(\d)\b", rf"\1-{mark}-\2", page_text)
            if kind == "python":
                printed = run([sys.executable, "-c", text], environment)
                continue
            script = "".join(f"{line.removeprefix('$ ')}\necho\n" for line in text.splitlines() if line.startswith("$ "))
            printed = run(["bash", "-ec", f"cd {tmp_path}\n{script}"], environment) if script else printed
            for line in text.splitlines():
                assert line.startswith("$ ") or printed_line(line, printed, {}), f"{line!r} was not printed, but:\n{printed}"


def test_every_state_and_call_is_on_the_page() -> None:
    assert all(f"| `{stage}` |" in PAGE for stage in StartStatus)
    assert all(f"`{kind}` (" in PAGE for kind in FailureKind)
