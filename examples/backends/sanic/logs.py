"""Logs as lines of JSON. Each line names the span that was open, and holds no secrets."""

import re
import sys

import structlog
from ddtrace import tracer

# A key is secret if one of its words is one of these: `newPassword`, `api_key`, `x-auth-token`.
SECRET_WORDS = {"authorization", "card", "cookie", "passcode", "password", "pin", "secret", "ssn", "token"}
SECRET_ENDINGS = ("apikey", "password", "secret", "token")
REDACTED = "[redacted]"
# Lists and objects within each other that a log line shows.
MAX_DEPTH = 16

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_IN_TEXT = [
    # What follows the scheme of an `Authorization` header.
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    # password=…, "token": "…", secret: …
    (
        re.compile(
            r"""((?:password|passcode|secret|token|api[_-]?key|authorization|cookie)["']?\s*[=:]\s*)"""
            r"""("[^"]*"|'[^']*'|(?!\[redacted\])[^\s,;&}]+)""",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    # With bounds, because each place of a long word would otherwise be the beginning of a search.
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), REDACTED),
]


def is_secret(key):
    words = [word.lower() for word in _WORDS.findall(key)]
    return not SECRET_WORDS.isdisjoint(words) or "".join(words).endswith(SECRET_ENDINGS)


def redact(value, depth=0):
    """Returns the value without its secrets."""
    if isinstance(value, (dict, list, tuple)) and depth == MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, dict):
        return {key: REDACTED if is_secret(str(key)) else redact(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item, depth + 1) for item in value]
    if isinstance(value, str):
        for pattern, replacement in _IN_TEXT:
            value = pattern.sub(replacement, value)
    return value


def _add_trace(_logger, _method, event):
    """Names the open span, so that the log and the trace are found from each other.

    `ddtrace-run` fills in the same, unless a variable of the environment says otherwise. The client
    depends on the form of the id, so it is not left to a variable.
    """
    span = tracer.current_span()
    if span is not None:
        # All 128 bits, as 32 hex digits: the client sends the same digits. The older form, the low
        # 64 bits in decimal, would not be found there.
        event["dd.trace_id"] = f"{span.trace_id:032x}"
        event["dd.span_id"] = str(span.span_id)
    elif event.get("dd.trace_id") == "0":
        # What `ddtrace-run` writes outside of a request would join all such lines.
        del event["dd.trace_id"], event["dd.span_id"]
    return event


def _redact(_logger, _method, event):
    return redact(event)


_SHARED = [
    # What the request has bound: its id, the session, the user.
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    _add_trace,
    structlog.processors.format_exc_info,
    # Behind the stack, because an error's message may quote what the client has sent.
    _redact,
]

# The standard library's loggers, Sanic's and ddtrace's among them, write the same lines.
STANDARD_LIBRARY = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "sanic.root": {"level": "INFO"},
        "sanic.error": {"level": "INFO"},
        "sanic.server": {"level": "INFO"},
    },
}


def configure():
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
