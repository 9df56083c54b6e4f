"""How does each vendor sign its webhooks? To add a vendor: its module here, its module in `handlers/vendors`, a line in each `__init__`."""

from __future__ import annotations

from receiver.vendors import idenfy, idngo, ifcgate
from receiver.vendors.base import Vendor

VENDORS: dict[str, Vendor] = {
    "ifcgate": Vendor(configure=ifcgate.configure, parse_secret=ifcgate.parse_secret),
    "idngo": Vendor(configure=idngo.configure, parse_secret=idngo.parse_secret),
    "idenfy": Vendor(configure=idenfy.configure, parse_secret=idenfy.parse_secret),
}
