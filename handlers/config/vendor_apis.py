"""The settings of the vendors' APIs: their addresses and credentials, and how fast they are called."""

from __future__ import annotations

from dataclasses import dataclass, field

from store.system.environment import Environment
from store.text import web_addresses

#: The vendors' own addresses of their APIs.
IFCGATE_API_URL, IDENFY_API_URL = "https://api.ifcgate.com", "https://ivs.idenfy.com"

#: The names of the token in iDenfy's direct processing: that of its newest page, and that of all older ones.
IDENFY_TOKEN_FIELDS = ("token", "authToken")

#: The slowest that an upload may be: 64 MB in about four minutes.
UPLOAD_BYTES_PER_SECOND = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class IdngoApi:
    """The address and the credentials of IDnGO's API."""

    url: str
    token: str = field(repr=False)
    secret: bytes = field(repr=False)
    upload_bytes_per_second: int = UPLOAD_BYTES_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class IfcgateApi:
    """The address and the credentials of IFCGATE's API."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IdenfyApi:
    """The address, the credentials and the highest rate of reads of iDenfy's API."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    reads_per_minute: int
    #: How the API calls the token of a verification whose images it gets.
    token_field: str = IDENFY_TOKEN_FIELDS[0]
    upload_bytes_per_second: int = UPLOAD_BYTES_PER_SECOND


def idngo_api(environment: Environment, *, plain_http: bool) -> IdngoApi | None:
    """Return IDnGO's API; None if it is not configured."""
    given = {name: environment.text(name) for name in ("IDNGO_API_URL", "IDNGO_APP_TOKEN", "IDNGO_APP_SECRET")}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            environment.wrong(name, "is missing: give IDNGO_API_URL, IDNGO_APP_TOKEN and IDNGO_APP_SECRET, or none of them")
    return IdngoApi(
        url=_api_url(environment, "IDNGO_API_URL", given["IDNGO_API_URL"], plain_http=plain_http),
        token=_for_a_header(environment, "IDNGO_APP_TOKEN", given["IDNGO_APP_TOKEN"]),
        secret=given["IDNGO_APP_SECRET"].encode(),
        upload_bytes_per_second=_upload_rate(environment),
    )


def ifcgate_api(environment: Environment, *, plain_http: bool) -> IfcgateApi | None:
    """Return IFCGATE's API; None if it is not configured."""
    url, key = environment.text("IFCGATE_API_URL"), environment.text("IFCGATE_API_KEY")
    if not url and not key:
        return None
    if not key:
        environment.wrong("IFCGATE_API_KEY", "is missing: IFCGATE_API_URL is given")
    url = _api_url(environment, "IFCGATE_API_URL", url or IFCGATE_API_URL, plain_http=plain_http)
    if url.endswith("/v1"):
        environment.wrong("IFCGATE_API_URL", "ends in /v1, with which every path begins: leave that out")
    return IfcgateApi(url=url, key=_for_a_header(environment, "IFCGATE_API_KEY", key))


def idenfy_api(environment: Environment, *, plain_http: bool) -> IdenfyApi | None:
    """Return iDenfy's API; None if it is not configured."""
    url, key, secret = environment.text("IDENFY_API_URL"), environment.text("IDENFY_API_KEY"), environment.text("IDENFY_API_SECRET")
    reads_per_minute = environment.number("IDENFY_READS_PER_MINUTE", 30, most=600)
    token_field = environment.text("IDENFY_TOKEN_FIELD", IDENFY_TOKEN_FIELDS[0])
    if token_field not in IDENFY_TOKEN_FIELDS:
        environment.wrong("IDENFY_TOKEN_FIELD", f"must be {' or '.join(IDENFY_TOKEN_FIELDS)}")
    if not url and not key and not secret:
        return None
    for name, value in {"IDENFY_API_KEY": key, "IDENFY_API_SECRET": secret}.items():
        if not value:
            environment.wrong(name, "is missing: give IDENFY_API_KEY and IDENFY_API_SECRET, or nothing of iDenfy's API")
        elif not value.isprintable():
            environment.wrong(name, "has letters that cannot be sent")
    if ":" in key:
        environment.wrong("IDENFY_API_KEY", "has a colon, which a name for HTTP Basic cannot have")
    url = _api_url(environment, "IDENFY_API_URL", url or IDENFY_API_URL, plain_http=plain_http)
    return IdenfyApi(
        url=url,
        key=key,
        secret=secret,
        reads_per_minute=reads_per_minute,
        token_field=token_field,
        upload_bytes_per_second=_upload_rate(environment),
    )


def _upload_rate(environment: Environment) -> int:
    return environment.number("UPLOAD_BYTES_PER_SECOND", UPLOAD_BYTES_PER_SECOND, least=1024, most=2**40)


def _api_url(environment: Environment, name: str, text: str, *, plain_http: bool) -> str:
    """Return the address of an API, which paths can follow. The caller reports a missing one."""
    try:
        url = web_addresses.web_address(text, plain_http=plain_http) if text else ""
    except ValueError as error:
        environment.wrong(name, str(error))
        return ""
    if "?" in url:
        environment.wrong(name, "has a query, which no path can follow")
    return url.rstrip("/")


def _for_a_header(environment: Environment, name: str, text: str) -> str:
    if not text.isascii() or not text.isprintable():
        environment.wrong(name, "has letters that a header cannot have")
    return text


def api_environment(environment: Environment) -> str:
    """Return the environment of the applicants that the APIs know: live or sandbox."""
    given = environment.text("API_ENVIRONMENT", "live")
    if given not in ("live", "sandbox"):
        environment.wrong("API_ENVIRONMENT", "must be live or sandbox")
    return given
