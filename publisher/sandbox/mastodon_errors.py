"""The words in which Mastodon refuses, as data: from its own code and its English locale."""

from datetime import timedelta

from publisher.sandbox import clock, errors

# name → (status, what stands behind "error").
WORDS: dict[str, tuple[int, str]] = {
    "unauthorized": (401, "The access token is invalid"),
    "revoked": (401, "The access token was revoked"),
    "expired": (401, "The access token expired"),
    "outside_scopes": (403, "This action is outside the authorized scopes"),
    "disabled": (403, "Your login is currently disabled"),
    "unconfirmed": (403, "Your login is missing a confirmed e-mail address"),
    "pending": (403, "Your login is currently pending approval"),
    "not_allowed": (403, "This action is not allowed"),
    "not_found": (404, "Record not found"),
    "no_user": (422, "This method requires an authenticated user"),
    "blank": (422, "Validation failed: Text can't be blank"),
    "too_long": (422, "Validation failed: Text character limit of 500 exceeded"),
    # A server whose language is not English, and which takes no notice of the one that is asked for.
    "too_long_in_german": (422, "Gültigkeitsprüfung ist fehlgeschlagen: Text Zeichenlimit von 500 überschritten"),
    "not_ready": (422, "Cannot attach files that have not finished processing. Try again in a moment!"),
    "too_many_media": (422, "Cannot attach more than 4 files"),
    "media_gone": (422, "Media 0 not found or already attached to another post"),
    "no_media": (422, "Validation failed: File can't be blank"),
    "description": (422, "Validation failed: Description is too long (maximum is 1500 characters)"),
    "media_type": (422, "File type of uploaded media could not be verified"),
    "processing_failed": (422, "Error processing thumbnail for uploaded media"),
    "duplicate_record": (422, "Duplicate record"),
    "rate_limited": (429, "Too many requests"),
    "remote_data": (503, "Remote data could not be fetched"),
    # Another request with the same key is under way: its lock is held.
    "race": (503, "There was a temporary problem serving your request, please try again"),
}


def refusal(name: str, headers: dict[str, str] | None = None) -> errors.Refusal:
    status, words = WORDS[name]
    return errors.Refusal(status, {"error": words}, headers or {})


def rate_headers(limit: int, used: int, seconds: float) -> dict[str, str]:
    """The reset is printed as a time, to the microsecond."""
    reset = clock.moment() + timedelta(seconds=seconds)
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Reset": reset.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
