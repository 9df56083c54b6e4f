"""What do the vendors answer when they are asked? Their read APIs, without the meaning of an answer."""

from __future__ import annotations

from handlers.clients.idenfy import Idenfy
from handlers.clients.idngo import Idngo
from handlers.clients.ifcgate import Ifcgate
from handlers.clients.pacing import Pacing
from handlers.clients.vendor import Client
from handlers.config import Settings

#: Pauses of up to two minutes, five attempts, 15 seconds for an answer.
PATIENT = Pacing()


def clients(settings: Settings, *, patience: Pacing = PATIENT) -> dict[str, Client]:
    """Return the configured vendors' clients. Create them once: each keeps its own pace."""
    hosts = settings.private_hosts
    found: dict[str, Client] = {}
    if settings.ifcgate_api:
        found["ifcgate"] = Ifcgate(settings.ifcgate_api, patience=patience, private_hosts=hosts)
    if settings.idngo_api:
        found["idngo"] = Idngo(settings.idngo_api, patience=patience, private_hosts=hosts)
    if settings.idenfy_api:
        found["idenfy"] = Idenfy(settings.idenfy_api, patience=patience, private_hosts=hosts)
    return found
