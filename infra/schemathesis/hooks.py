"""What the gateway's and the auth service's schema cannot say, for the requests that are meant to be good ones."""

import secrets

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """A good request is a new intention, so it has a key that nobody used; a bad key stays as bad as it is."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = secrets.token_hex(16)
    # A list goes one way: OpenAPI has no word for two parameters that exclude each other.
    query = case.query or {}
    if "starting_after" in query and "ending_before" in query:
        del query["ending_before"]
