"""The three vendors in a box: sign made-up stories, send them to a running service, and see whether it understood them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from receiver import config
from receiver.config import Settings
from receiver.simulator import scenarios, verification
from receiver.simulator.client import Letter, Pace, Sent, Service, send
from receiver.simulator.scenarios import Plot, Scene, Signer
from receiver.simulator.service_access import Impossible, base_of, plain_tokens, reach
from receiver.simulator.verification import Finding, Forgery
from store.system import clock
from store.system.environment import Environment

POLL_SECONDS = 0.1

#: Shown while it goes on: what is being done, how much of it is done, and how much there is.
Show = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a run is to be like."""

    #: Where the service is; None: where this configuration says.
    base: str | None
    #: How many stories.
    count: int
    #: Deliveries a second; 0: as fast as it goes.
    rate: float
    seed: int
    #: Shares, 0 to 1, of the deliveries that come twice, of the stories told out of order, and of forgeries.
    duplicates: float
    reordered: float
    forgeries: float
    environment: str
    token: str | None
    #: Seconds to wait, in all, for what was sent to be handled.
    timeout: float


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a run sent, the answers, and the results."""

    wanted: Wanted
    base: str
    run: str
    #: Vendors whose stories were left out, and why.
    left_out: dict[str, str]
    sent: list[Sent]
    #: Seconds spent sending.
    seconds: float
    findings: list[Finding]
    forgeries: list[Forgery]
    #: Letters that the service kept more than once.
    kept_twice: int
    #: Events that were not handled in time.
    pending: int

    @property
    def as_told(self) -> bool:
        fine = all(finding.as_told for finding in self.findings) and all(forgery.refused for forgery in self.forgeries)
        return fine and not self.kept_twice and not self.pending


def run(wanted: Wanted, show: Show) -> Account:
    """Tell stories to a service, and look at what it made of them. Raises Misconfigured and Impossible."""
    environment = Environment()
    settings = config.read(environment)
    level = environment.items("IDNGO_APPROVING_LEVELS", ("basic-kyc-level",))[0]
    environment.check()
    token = wanted.token or next(plain_tokens(settings, environment, ("READ_TOKENS", "OPERATOR_TOKENS")), None)
    service = reach(wanted.base or base_of(settings), token=token, environment=wanted.environment)
    signers, left_out = _signers(service, settings, wanted.environment)
    scene = Scene(run=secrets.token_hex(4), environment=wanted.environment, level=level, signers=signers, now=clock.now())
    plot = scenarios.plot(
        scene, count=wanted.count, seed=wanted.seed, duplicates=wanted.duplicates, reordered=wanted.reordered, forgeries=wanted.forgeries
    )
    told = _tell(service, plot, wanted, show)
    show("looking at every applicant", 0, 0)
    return Account(
        wanted=wanted,
        base=service.base,
        run=scene.run,
        left_out=left_out,
        sent=told.sent,
        seconds=told.sending_seconds,
        findings=verification.look(service, plot.tellings, told.sent),
        forgeries=verification.look_for_forged(service, told.sent),
        kept_twice=verification.kept_twice(told.sent),
        pending=len(told.pending),
    )


# before -------------------------------------------------------------------------------------------------------


def _signers(service: Service, settings: Settings, environment: str) -> tuple[dict[str, Signer], dict[str, str]]:
    """How to sign for each vendor that can be played, and why others cannot."""
    configured = scenarios.signers(settings, environment)
    left_out = {vendor: f"no {environment} secret of it is configured here" for vendor in scenarios.VENDORS if vendor not in configured}
    signers = {}
    for vendor, signer in configured.items():
        if service.deliver(Letter(vendor=vendor, body=b"", sign=dict)).status == 404:
            left_out[vendor] = "the service has no secrets of it (404)"
        else:
            signers[vendor] = signer
    if not signers:
        raise Impossible("No vendor can be played: " + "; ".join(f"{vendor}: {why}" for vendor, why in left_out.items()) + ".")
    return signers, left_out


# telling ------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What was sent so far, how long that took, and which of it is not handled."""

    sent: list[Sent] = field(default_factory=list)
    sending_seconds: float = 0.0
    waiting_seconds: float = 0.0
    pending: set[str] = field(default_factory=set)


def _tell(service: Service, plot: Plot, wanted: Wanted, show: Show) -> Told:
    """Send chapter after chapter, each once the former is handled, or the time to wait for that is over."""
    told, pace, total = Told(), Pace(wanted.rate), sum(len(lane) for chapter in plot.chapters for lane in chapter)
    for lanes in plot.chapters:
        what = "what came days later" if told.sent else "how it began"
        began = time.monotonic()
        told.sent += send(lanes, pace, deliver=lambda delivery: service.deliver(delivery.letter), on_sent=partial(show, what, 1, total))
        told.sending_seconds += time.monotonic() - began
        show("letting it be handled", 0, total)
        _wait(service, told, seconds=wanted.timeout)
    return told


def _wait(service: Service, told: Told, *, seconds: float) -> None:
    """Wait until what was kept is handled, so many seconds in a run."""
    kept = {str(one.answer.content.get("event_id")) for one in told.sent if one.answer.status == 200}
    began, waited = time.monotonic(), told.waiting_seconds
    told.pending = _pending(service, kept)
    while told.pending and told.waiting_seconds < seconds:
        time.sleep(POLL_SECONDS)
        told.pending = _pending(service, kept)
        told.waiting_seconds = waited + time.monotonic() - began


def _pending(service: Service, event_ids: set[str]) -> set[str]:
    """Those of some events that are not handled; all of them, if the service does not say."""
    found: set[str] = set()
    query = {"status": "pending", "limit": "500"}
    while True:
        page = service.read("events", **query)
        if page.status != 200:
            return event_ids
        found |= {event["id"] for event in page.content["data"]}
        if not page.content["has_more"]:
            return found & event_ids
        query["cursor"] = page.content["next_cursor"]
