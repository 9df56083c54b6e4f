"""Which settings does the worker have?"""

from handlers.config.vendor_apis import IdenfyApi, IdngoApi, IfcgateApi
from handlers.config.worker_settings import Settings, read, settings

__all__ = ["IdenfyApi", "IdngoApi", "IfcgateApi", "Settings", "read", "settings"]
