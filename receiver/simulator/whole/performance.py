"""A whole performance: play the vendors, start every verification of the cast at a running service, and check each."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from receiver import config
from receiver.simulator import scenarios
from receiver.simulator.client import Service, side_by_side
from receiver.simulator.played import access
from receiver.simulator.played.webhooks import Target
from receiver.simulator.service_access import Impossible, base_of, plain_tokens, reach
from receiver.simulator.simulate import Show
from receiver.simulator.vendor_server import Vendors
from receiver.simulator.whole import findings, scenes
from receiver.simulator.whole.calls import Calls
from receiver.simulator.whole.cast import PARTS
from receiver.simulator.whole.findings import Finding
from receiver.simulator.whole.scenes import Patience, Scene, Stage
from store.system.environment import Environment
from store.text.hints import typed

#: A review is over at once.
REVIEW_SECONDS = 0.1

#: How long the first verification may take to reach a played vendor.
FIRST_SECONDS = 15.0

#: What the metrics of a service say that asks which documents to send again, and how long it may take to begin with that.
SUBSCRIBER, SUBSCRIBER_SECONDS = 'subscriber="problem documents"', 15.0

#: What is done with every verification, one after the other.
ACTS: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("what the vendors will decide", scenes.decide),
    ("starting verifications", scenes.start),
    ("following them to their vendors", scenes.follow),
    ("waiting for verdicts", scenes.get_verdict),
    ("sending again what failed", scenes.send_again),
    ("what vendors say later", scenes.turn),
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a performance is to be like."""

    base: str | None
    count: int
    environment: str
    token: str | None
    #: Where the vendors are played; None: where this configuration says.
    port: int | None
    #: Seconds to wait for one thing.
    timeout: float


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a performance came to."""

    wanted: Wanted
    base: str
    played_at: str
    run: str
    seconds: float
    findings: list[Finding]
    #: Users with more than one verification that was bought at a vendor.
    bought_twice: list[str]
    #: How many verifications were bought, and how many webhooks sent.
    bought: int
    webhooks: int

    @property
    def as_told(self) -> bool:
        return all(finding.as_told for finding in self.findings) and not self.bought_twice


def run(wanted: Wanted, show: Show) -> Account:
    """Start verifications, and look at the result of each. Raises Misconfigured and Impossible."""
    environment = Environment()
    settings = config.read(environment)
    level = environment.items("IDNGO_APPROVING_LEVELS", ("basic-kyc-level",))[0]
    port, credentials = wanted.port if wanted.port is not None else access.port(environment), _credentials(environment)
    environment.check()
    token = wanted.token or next(plain_tokens(settings, environment, ("OPERATOR_TOKENS",)), None)
    service = reach(wanted.base or base_of(settings), token=token, environment=wanted.environment)
    show("waiting for the service to follow its changes", 0, 0)
    _wait_for_the_subscriber(service)
    signers = scenarios.signers(settings, wanted.environment)
    if missing := [vendor for vendor in access.VENDORS if vendor not in signers]:
        raise Impossible(f"No {wanted.environment} secret is configured here of {', '.join(missing)}: its results cannot be signed.")
    target = Target(base=service.base, environment=wanted.environment, signers=signers, review_seconds=REVIEW_SECONDS)
    began = time.monotonic()
    with _playing(port, credentials, target) as vendors:
        name, patience = secrets.token_hex(4), Patience(seconds=wanted.timeout)
        stage = Stage(calls=Calls(service=service), vendors=vendors, patience=patience, environment=wanted.environment, level=level)
        cast = zip(range(wanted.count), itertools.cycle(PARTS))
        played = [Scene(part=part, user=f"example-{name}-{number}", stage=stage) for number, part in cast]
        _perform(played, vendors, show, patience_seconds=min(FIRST_SECONDS, wanted.timeout))
        show("looking at every applicant", 0, 0)
        found = side_by_side(findings.look, played)
        return Account(
            wanted=wanted,
            base=service.base,
            played_at=vendors.url,
            run=name,
            seconds=time.monotonic() - began,
            findings=found,
            bought_twice=findings.bought_twice(vendors),
            bought=sum(len(one.bought) for one in vendors.played.values()),
            webhooks=sum(len(one.webhooks) for one in vendors.played.values()),
        )


def _wait_for_the_subscriber(service: Service) -> None:
    """Wait until the service asks which documents to send again: a subscriber misses what changed before it was first known."""
    deadline = time.monotonic() + SUBSCRIBER_SECONDS
    while time.monotonic() < deadline:
        found = service.metrics()
        if found is None or SUBSCRIBER in found:
            return
        time.sleep(scenes.POLL_SECONDS)


def _perform(played: list[Scene], vendors: Vendors, show: Show, *, patience_seconds: float) -> None:
    """Do each act with all verifications, side by side."""
    for what, act in ACTS:
        show(what, 0, len(ACTS) * len(played))

        def do(scene: Scene, what: str = what, act: Callable[[Scene], None] = act) -> None:
            scene.play(act)
            show(what, 1, 0)

        side_by_side(do, played)
        if act is scenes.start:
            _refuse_other_vendors(played, vendors, patience_seconds)


def _refuse_other_vendors(played: list[Scene], vendors: Vendors, patience_seconds: float) -> None:
    """Raise Impossible if verifications were started, and none gets to the vendors that are played here."""
    deadline = time.monotonic() + patience_seconds
    while any(scene.id for scene in played) and not any(one.requests for one in vendors.played.values()):
        if time.monotonic() > deadline:
            raise Impossible(
                f"Verifications are started, and none gets to the vendors that are played at {vendors.url}. Start the service with"
                f" `{typed('up --played')}`, or give it the settings that `standing simulate --vendors` prints."
            )
        time.sleep(scenes.POLL_SECONDS)


@contextmanager
def _playing(port: int, credentials: dict[str, str], target: Target) -> Iterator[Vendors]:
    try:
        vendors = Vendors(port=port, credentials=credentials, target=target)
    except OSError as error:
        raise Impossible(f"The vendors cannot be played at port {port} ({error.strerror}): set PLAYED_PORT.") from error
    with vendors:
        thread = threading.Thread(target=vendors.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield vendors
        finally:
            vendors.shutdown()


def _credentials(environment: Environment) -> dict[str, str]:
    """Return the credentials of the service: those that are configured, else those of `./dev up --played`."""
    given = {name: value for name in access.CREDENTIALS if (value := environment.text(name))}
    return access.credentials(environment) | given
