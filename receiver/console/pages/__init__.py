"""Which pages does the console have? One module each; each asks the API and fills a template."""

from flask import Flask

from receiver.console import PREFIX
from receiver.console.pages import attention, sessions, signing_in
from receiver.console.pages.log import log, proofs
from receiver.console.pages.operations import event, events, reaction, reactions, reconcile, replay, replays, vendors
from receiver.console.pages.people import applicant, applicants, decisions, person, reversals, review
from receiver.console.pages.privacy import erasure, hold, holds, privacy, relationship, retention
from receiver.console.pages.reports import audit, overview

_PAGES = (
    *(signing_in, sessions, attention),
    *(applicants, applicant, decisions, person, review, reversals),
    *(events, event, replays, replay, reactions, reaction, reconcile, vendors),
    *(privacy, erasure, hold, holds, retention, relationship),
    *(audit, overview),
    *(log, proofs),
)


def register(app: Flask) -> None:
    """Give an application every page, by the name of its module."""
    for page in _PAGES:
        app.register_blueprint(page.blueprint, name=page.__name__.rpartition(".")[2], url_prefix=PREFIX)
