"""Access to the played vendors: their address, and the credentials of a client. `./dev up --played` and the play agree on both."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from store.system.environment import Environment

HOST, PORT = "127.0.0.1", 8100

VENDORS = ("ifcgate", "idngo", "idenfy")

#: What each credential begins with.
CREDENTIALS = {
    "IFCGATE_API_KEY": "ifcg_played_",
    "IDNGO_APP_TOKEN": "played:",
    "IDNGO_APP_SECRET": "",
    "IDENFY_API_KEY": "played_",
    "IDENFY_API_SECRET": "",
}


def port(environment: Environment) -> int:
    """Return where the vendors are played, unless a command says otherwise."""
    return environment.number("PLAYED_PORT", PORT, most=65535)


def credentials(environment: Environment) -> dict[str, str]:
    """Return the credentials of a client: made from `PLAYED_KEY`, so that they are the same each time; without it, random."""
    key = environment.text("PLAYED_KEY") or secrets.token_hex(16)
    return {name: beginning + hashlib.sha256(f"{key} {name}".encode()).hexdigest()[:32] for name, beginning in CREDENTIALS.items()}


def settings(url: str) -> dict[str, str]:
    """Return the settings of a client of vendors that are played at an address, except the credentials."""
    urls = {f"{vendor.upper()}_API_URL": f"{url}/{vendor}" for vendor in VENDORS}
    return urls | {"NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": HOST}


def settings_of_a_service(environment: Environment) -> Mapping[str, str]:
    """Return the settings that lead a service to the played vendors, whose applicants are in the sandbox.

    Raises ValueError if it is led to other vendors already: their credentials are not mixed with played ones."""
    given = settings(f"http://{HOST}:{port(environment)}") | credentials(environment) | {"API_ENVIRONMENT": "sandbox"}
    other = [name for name in given if not name.startswith("NOTIFY_") and environment.text(name) not in ("", given[name])]
    if other:
        raise ValueError(f"{', '.join(sorted(other))} must not be set")
    hosts = (*environment.items("NOTIFY_PRIVATE_HOSTS"), HOST)
    return given | {"NOTIFY_PRIVATE_HOSTS": ",".join(dict.fromkeys(hosts))}
