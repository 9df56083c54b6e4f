"""What do each vendor's payloads mean? To add a vendor: its module here, its module in `receiver/vendors`, a line in each `__init__`."""

from __future__ import annotations

from handlers.vendors import idenfy, idngo, ifcgate
from handlers.vendors.base import Vendor

VENDORS: dict[str, Vendor] = {
    "ifcgate": Vendor(interpret=ifcgate.interpret, interpret_answer=ifcgate.interpret_answer, has_clock=True),
    "idngo": Vendor(interpret=idngo.interpret, interpret_answer=idngo.interpret_answer, has_clock=True),
    "idenfy": Vendor(interpret=idenfy.interpret, interpret_answer=idenfy.interpret_answer, has_clock=False),
}
