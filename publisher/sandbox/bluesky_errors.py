"""The words in which a Bluesky server refuses, as data: XRPC's object with a name and a sentence."""

from publisher.sandbox.errors import Refusal

# name here → (status, their name, their sentence), as the reference server and its lexicons have them.
XRPC: dict[str, tuple[int, str, str]] = {
    "invalid_request": (400, "InvalidRequest", 'Invalid app.bsky.feed.post record: Missing required key "text"'),
    "text_too_long": (
        400,
        "InvalidRequest",
        "Invalid app.bsky.feed.post record: Record/text must not be longer than 300 graphemes",
    ),
    "expired_token": (400, "ExpiredToken", "Token has expired"),
    "invalid_token": (400, "InvalidToken", "Token could not be verified"),
    "auth_missing": (401, "AuthMissing", "Authentication Required"),
    "wrong_password": (401, "AuthenticationRequired", "Invalid identifier or password"),
    "code_by_mail": (401, "AuthFactorTokenRequired", "A sign in code has been sent to your email address"),
    "taken_down": (401, "AccountTakedown", "Account has been taken down"),
    "suspended": (403, "AccountSuspended", "Account has been suspended"),
    "deactivated": (401, "AccountDeactivated", "Account is deactivated"),
    "bad_scope": (403, "Forbidden", "Bad token scope"),
    "not_found": (404, "NotFound", "Not Found"),
    "invalid_swap": (
        400,
        "InvalidSwap",
        "Record was at bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq",
    ),
    "blob_not_found": (
        400,
        "BlobNotFound",
        "Could not find blob: bafkreibjfgx2gprinfvicegelk5kosd6y2frmqpqzwqkg7usac74l3t2v4",
    ),
    "blob_too_large": (
        400,
        "BlobTooLarge",
        "This file is too large. It is 1.2MB but the maximum size is 976.56KB.",
    ),
    "invalid_mime_type": (
        400,
        "InvalidMimeType",
        "Wrong type of file. It is application/pdf but it must match image/*.",
    ),
    "payload_too_large": (413, "PayloadTooLarge", "request entity too large"),
    "rate_limited": (429, "RateLimitExceeded", "Rate Limit Exceeded"),
    "internal_error": (500, "InternalServerError", "Internal Server Error"),
    "not_implemented": (501, "MethodNotImplemented", "Method Not Implemented"),
    "upstream_failure": (502, "UpstreamFailure", "Upstream Failure"),
    "not_enough_resources": (503, "NotEnoughResources", "Not Enough Resources"),
    "upstream_timeout": (504, "UpstreamTimeout", "Upstream Timeout"),
}


def xrpc(name: str, message: str = "", headers: dict[str, str] | None = None) -> Refusal:
    """The refusal of the table; with another sentence where one is given."""
    status, error, usual = XRPC[name]
    return Refusal(status, {"error": error, "message": message or usual}, headers or {})


def invalid(message: str) -> Refusal:
    return xrpc("invalid_request", message)


def no_record(address: str) -> Refusal:
    return Refusal(400, {"error": "RecordNotFound", "message": f"Could not locate record: {address}"})


def rate_headers(limit: int, used: int, reset: int, seconds: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(0, limit - used)),
        "RateLimit-Reset": str(reset),
        "RateLimit-Policy": f"{limit};w={seconds}",
    }


_RECORD = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
_ELSEWHERE = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3l6oveex3ii2l"
# What looks like a success and is none that may be believed: its sentence, and the body.
FALSE: dict[str, tuple[str, dict[str, object]]] = {
    "without_uri": ("success without an address", {"cid": _RECORD, "validationStatus": "valid"}),
    "without_cid": ("success without a content id", {"uri": _ELSEWHERE}),
    "garbled_cid": ("success with half of a content id", {"uri": _ELSEWHERE, "cid": _RECORD[:20]}),
    "elsewhere": ("success with the address of another's record", {"uri": _ELSEWHERE, "cid": _RECORD}),
}
