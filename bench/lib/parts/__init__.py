"""What is measured: each module is a part, with NAME, TITLE and run(bench)."""

from lib.parts import (connect, fanout, history, ingest, instructions, kept, latency, memory,
                       presence, raw, replay, resume, shards, slow, store, storm,
                       targeting)

# In this order they run and are reported.
ALL = (raw, fanout, latency, targeting, ingest, memory, connect, shards, instructions, slow,
       storm, presence, history, store, resume, replay, kept)
SHORT = (fanout, latency, ingest, memory)
BY_NAME = {part.NAME: part for part in ALL}
