"""Vendors: how each one's deliveries arrive, why some are refused, and which secrets still match. For `GET /v1/vendors`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from receiver.monitoring import secret_usage
from store.operations import anomalies, refusals
from store.operations.anomalies import DAY, NO_PACE, VendorSight
from store.system import clock


def look(connection: Connection, environment: str) -> list[dict[str, Any]]:
    """Return each vendor that is configured, or was heard of in the last days, as it is shown."""
    sights = {sight.vendor: sight for sight in anomalies.vendors(connection, environment=environment)}
    secrets = secret_usage.look(connection, environment=environment)
    paces, causes = anomalies.paces(connection, environment=environment), refusals.by_cause(connection, since=clock.now() - DAY)
    return [
        {
            "vendor": vendor,
            "environment": environment,
            "configured": any(one.vendor == vendor for one in secrets),
            **_sight(sights.get(vendor)),
            **vars(paces.get(vendor, NO_PACE)),
            "refusals": causes.get(vendor, []),
            "secrets": [_secret(one) for one in secrets if one.vendor == vendor],
        }
        for vendor in sorted({*sights, *(one.vendor for one in secrets)})
    ]


def _sight(sight: VendorSight | None) -> dict[str, Any]:
    return {
        "last_delivery_at": clock.rfc3339(sight.last_at) if sight else None,
        "silent": sight.is_silent if sight else False,
        "missing": sight.missing if sight else 0,
        "refused": sight.refused if sight else 0,
        "answered": sight.answered if sight else 0,
        "refused_in_a_surge": sight.has_surge if sight else False,
        "too_large": sight.too_large if sight else 0,
        "not_understood": sight.not_understood if sight else 0,
        "news_of_erased": sight.news_of_erased if sight else 0,
        "unknown_types": [{"event_type": name, "count": count} for name, count in (sight.unknown_types if sight else {}).items()],
    }


def _secret(one: secret_usage.SecretSight) -> dict[str, Any]:
    told = secret_usage.describe(one)
    return {name: told[name] for name in ("fingerprint", "newest", "last_at", "matches", "says")}
