"""How does each vendor sign its webhooks? To add a vendor: its module here, its module in `handlers/vendors`, a line in each `__init__`."""

from __future__ import annotations

from receiver.vendors import idenfy, idngo, ifcgate
from receiver.vendors.base import Vendor

VENDORS: dict[str, Vendor] = {
    "ifcgate": Vendor(scheme=ifcgate.scheme, parse_secret=ifcgate.parse_secret),
    "idngo": Vendor(scheme=idngo.scheme, parse_secret=idngo.parse_secret),
    "idenfy": Vendor(scheme=idenfy.scheme, parse_secret=idenfy.parse_secret),
}
