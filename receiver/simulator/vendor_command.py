"""`standing simulate --vendors`: play the vendors until Ctrl-C, and print first how they are reached."""

from __future__ import annotations

import click

from receiver import config
from receiver.simulator import scenarios
from receiver.simulator.played import access
from receiver.simulator.played.webhooks import Target
from receiver.simulator.service_access import base_of
from receiver.simulator.vendor_server import Vendors
from store.system.environment import Environment


def serve(port: int | None, *, base: str | None, environment: str) -> None:
    """Play the vendors until Ctrl-C. Print first how they are reached. `base`: where the results are sent. Raises Misconfigured."""
    found = Environment()
    given = {name: value for name in access.CREDENTIALS if (value := found.text(name))}
    made = {name: value for name, value in access.credentials(found).items() if name not in given}
    settings, port = config.read(found), access.port(found) if port is None else port
    found.check()
    target = Target(base=base or base_of(settings), environment=environment, signers=scenarios.signers(settings, environment))
    try:
        server = Vendors(port=port, credentials=given | made, target=target)
    except OSError as error:
        raise click.ClickException(f"Port {port} cannot be had ({error.strerror}); --port names another.") from error
    except ValueError as error:
        raise click.ClickException(f"--base is not the address of a service: {error}.") from error
    with server:
        click.echo(_introduction(server, target, made, list(given)))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("The play is over.")


def _introduction(server: Vendors, target: Target, made: dict[str, str], given: list[str]) -> str:
    found = server.settings() | {"API_ENVIRONMENT": target.environment} | made
    settings = "\n".join(f"{name}={value}" for name, value in found.items())
    kept = f"\n# As configured here: {', '.join(given)}." if given else ""
    return f"""The three vendors, played at {server.url} until Ctrl-C. The settings of a client:

{settings}{kept}

{_results(target)}

Set the status of an applicant, in the vendor's word; what is to go wrong (docs/played-vendors.md has the list; null: nothing); and
the verdicts to come. Play a person on a vendor's pages. Read what was bought and sent:

curl -X PUT {server.url}/play/ifcgate/case_1 -d '{{"status": "approved", "at": "2026-03-30T03:00:00Z"}}'
curl -X PUT {server.url}/play/idngo/5cb56e8e0a975a35f333cb83 -d '{{"status": "RED:RETRY", "user": "your-id"}}'
curl -X PUT {server.url}/play/idenfy -d '{{"fault": "429", "times": 3, "retry_after": "2", "path": "/api/v2/token"}}'
curl -X PUT {server.url}/play/idngo -d '{{"next": ["RED:RETRY", "GREEN"], "failed": ["SELFIE"]}}'
curl -X POST {server.url}/play/idngo/your-id/visit
curl {server.url}/play/idenfy
"""


def _results(target: Target) -> str:
    """Return where the results go, and which vendors send none."""
    silent = [vendor for vendor in scenarios.VENDORS if vendor not in target.signers]
    without = f" No {target.environment} secret is configured here of {', '.join(silent)}: no results of it." if silent else ""
    return f"Results are signed with the {target.environment} secrets, and sent to {target.base} (--base).{without}"
