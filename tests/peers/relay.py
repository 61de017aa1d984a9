"""Normalises events as Relay does, Sentry's receiver, and names every field that it finds at fault.

Reads one event a line from standard input, and writes one JSON list of faults a line.
"""

import json
import sys

from sentry_relay.processing import StoreNormalizer

NORMALIZER = StoreNormalizer(
    enable_trimming=True,
    max_secs_in_past=30 * 86_400,
    max_secs_in_future=60,
    remove_other=True,
)


def faults(meta, path=""):
    """Every fault that Relay has noted, with the path of its field."""
    for key, value in meta.items():
        if key == "":
            for fault in value.get("err", []):
                yield f"{path}: {fault}"
        elif isinstance(value, dict):
            yield from faults(value, f"{path}.{key}" if path else key)


for line in sys.stdin:
    event = json.loads(line)
    normal = NORMALIZER.normalize_event(event)
    found = list(faults(normal.get("_meta") or {}))
    for field in ("event_id", "platform", "release", "environment"):
        if event.get(field) != normal.get(field):
            found.append(f"{field}: {event.get(field)} became {normal.get(field)}")
    print(json.dumps(found), flush=True)
