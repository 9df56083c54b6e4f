"""How is Standing tried without a vendor? The simulator sends stories to a running service, and plays the vendors' APIs.

`stories` has what happens, `payloads` the bodies, `scenarios` the order and what goes wrong; `client` speaks HTTP, `simulate` runs it all,
`verification` compares, `report` prints. `vendor_server` plays the APIs, with a module for each vendor in `played`.
"""
