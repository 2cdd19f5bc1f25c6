"""Resources and drivers of a rig for labgrid: importing this makes their names known to environment files."""

from . import (
    archive,
    camera,
    clock,
    disk,
    file_drop,
    local_command,
    network,
    panel,
    power,
    router,
    service,
    source,
    store_scu,
    web,
)

__all__ = [
    "archive", "camera", "clock", "disk", "file_drop", "local_command", "network", "panel", "power", "router",
    "service", "source", "store_scu", "web",
]  # fmt: skip
