"""Commands that say the same as a page, ready to be pasted into a shell: what a vendor named is quoted."""

from __future__ import annotations

import shlex
from typing import Any

from receiver.console import rendering
from store.text.states import VendorEnvironment


def about_applicant(command: str, applicant: dict[str, Any], at: str | None = None) -> str:
    """Return the command of `standing applicants` about an applicant."""
    return _written(command, at, [applicant["vendor"], applicant["reference"]])


def about_person(external_user_id: str) -> str:
    """Return the command that shows all applicants of a person."""
    return _written("show", None, [f"--user={external_user_id}"])


def _written(command: str, at: str | None, names: list[str]) -> str:
    options = ["--at", at] if at else []
    if rendering.environment() == VendorEnvironment.SANDBOX:
        options.append("--sandbox")
    # A name that begins with a dash would be read as an option.
    end = ["--"] if len(names) > 1 and any(name.startswith("-") for name in names) else []
    return shlex.join(["standing", "applicants", command, *options, *end, *names])
