"""A service that stores profiles and continues the traces of the app that sends them."""

import asyncio
import os
import uuid

import structlog
from ddtrace import tracer
from sanic import Sanic, json
from sanic.exceptions import BadRequest, SanicException

import logs
from database import Database

# What of a profile the client may change.
FIELDS = ("name", "email")

logs.configure()
log = structlog.get_logger("profile")
database = Database(os.environ.get("PROFILE_DATABASE", "profiles.db"))
app = Sanic("profile", log_config=logs.STANDARD_LIBRARY)
# A profile is small. By default, Sanic takes 100 MB.
app.config.REQUEST_MAX_SIZE = 64 * 1024


class Invalid(Exception):
    """The client has sent what cannot be stored. The message is for the client."""


@app.before_server_start
async def create_database(_app):
    await asyncio.to_thread(database.create)


@app.on_request
async def bind_context(request):
    """Puts what is known of the request on each log line that it causes."""
    # One connection serves many requests, and what the last one has bound is still there.
    structlog.contextvars.clear_contextvars()
    context = {"request_id": str(uuid.uuid4()), "http.method": request.method, "http.path": request.path}
    trace = tracer.current_trace_context()
    session = trace.get_baggage_item("session.id") if trace else None
    if session:
        context["session.id"] = session
    structlog.contextvars.bind_contextvars(**context)


@app.exception(Exception)
async def failed(_request, error):
    """Answers for everything that went wrong. The spans that it ended have recorded it already."""
    if isinstance(error, SanicException) and error.status_code < 500:
        return refused(error.status_code, str(error))
    log.error("request failed", exc_info=error)
    # What the error says is for us: it may name tables and files.
    return json({"error": "internal error"}, status=500)


def refused(status, reason):
    log.warning("request refused", reason=reason)
    return json({"error": reason}, status=status)


@app.get("/health")
async def health(_request):
    return json({"ok": True})


@app.post("/api/profile")
async def update_profile(request):
    try:
        user_id, changes = read(request.json)
    except (Invalid, BadRequest) as error:
        # Answered here and outside of our span: an error that leaves this function is one of the
        # service, and this one is the client's.
        return refused(400, str(error))
    structlog.contextvars.bind_contextvars(**{"usr.id": user_id})
    with tracer.trace("user.profile.update", resource="POST /api/profile") as span:
        span.set_tag("usr.id", user_id)
        log.info("profile update requested", body=request.json, authorization=request.headers.get("authorization"))
        with tracer.trace("db.update_user", span_type="sql"):
            updates = await asyncio.to_thread(database.update_user, user_id, changes.get("name"), changes.get("email"))
        with tracer.trace("analytics.notify"):
            await asyncio.to_thread(database.notify, user_id, sorted(changes))
        log.info("profile updated", fields=sorted(changes), updates=updates)
    return json({"userId": user_id, "updates": updates})


def read(body):
    """Returns the user's id and the changes in a request's body, or says what is wrong with it."""
    if not isinstance(body, dict):
        raise Invalid("the body is no JSON object")
    user_id = body.get("userId")
    if not is_text(user_id) or not user_id:
        raise Invalid("userId is missing")
    changes = {field: body[field] for field in FIELDS if body.get(field) is not None}
    for field, value in changes.items():
        if not is_text(value):
            raise Invalid(f"{field} is no text")
    return user_id, changes


def is_text(value):
    # JSON can hold halves of characters (`"\ud800"`), which neither the database nor a span takes.
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
