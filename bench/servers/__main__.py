"""Says which of the peers can be measured here, and how to get the others.

The exit status is 1 if one is missing."""

from __future__ import annotations

import sys

from . import SERVERS
from .base import ROOT

faults = 0
for name, cls in SERVERS.items():
    if cls.peer:
        server = cls(build_dir=ROOT / "build", work_dir=ROOT / "build")
        reason = server.missing()
        faults += reason is not None
        print(f"{name:14} {'missing: ' + reason if reason else server.version}")
sys.exit(1 if faults else 0)
