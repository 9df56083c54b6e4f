"""Access to the running service: its address, a token to ask it with, and whether it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields

import click

from receiver import config
from receiver.config import Settings
from receiver.simulator.client import Service
from store.system.environment import Environment
from store.text.hints import typed


class Impossible(click.ClickException):
    """Nothing can be sent, or nothing could be looked at afterwards."""

    exit_code = 2


def base_of(settings: Settings) -> str:
    """Return the address at which this configuration serves."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{config.address(host, settings.port)}"


def plain_tokens(settings: Settings, environment: Environment, lists: tuple[str, ...]) -> Iterator[str]:
    """Yield the tokens of some lists that are configured plainly, without their names."""
    known = {field.name: getattr(settings.tokens, field.name) for field in fields(settings.tokens)}
    for name in lists:
        digests = {token.digest for token in known[name.removesuffix("_TOKENS").lower()]}
        for entry in environment.items(name):
            for text in (entry, entry.partition("=")[2]):
                if hashlib.sha256(text.encode()).digest() in digests:
                    yield text


def reach(base: str, *, token: str | None, environment: str) -> Service:
    """Return the service, which answers and lets us read. Raises Impossible."""
    if token is None:
        raise Impossible("No token is configured here that can be used (one kept as sha256: cannot be used); give one with --token.")
    try:
        service = Service(base, token=token, environment=environment)
    except ValueError as error:
        raise Impossible(f"--base is not the address of a service: {error}.") from error
    answer = service.read("applicants", limit="1")
    if answer.status is None:
        raise Impossible(f"Nothing answers at {service.base} ({answer.word}). Is `{typed('up')}` running?")
    if answer.status != 200 or "data" not in answer.content:
        told = answer.content.get("detail", "It may not be this service at all.")
        raise Impossible(f"{service.base} refuses to read with this token ({answer.word}). {told}")
    return service
