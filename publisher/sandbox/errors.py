"""The words in which X and Graph refuse, as data: what their documents and seen replies say."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from publisher.sandbox import clock

PROBLEMS = "https://api.x.com/2/problems"


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that ends a request: status, body, headers."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def response(self) -> web.Response:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)
        return web.Response(text=text, status=self.status, headers=self.headers, content_type=self.content_type)


def x_refusal(name: str, headers: dict[str, str] | None = None) -> Refusal:
    status, body = X[name]
    return Refusal(status, body, headers or {}, "application/problem+json")


# X: name → (status, body). Seen in the wild unless the comment says otherwise.
X: dict[str, tuple[int, dict[str, Any]]] = {
    "unauthorized": (
        401,
        {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"},
    ),
    # The status is seen; the body is as users report it, X's status tables do not list it.
    "payment_required": (
        402,
        {
            "title": "CreditsDepleted",
            "detail": "Your enrolled account does not have any credits to fulfill this request.",
            "type": f"{PROBLEMS}/credits",
        },
    ),
    "duplicate": (
        403,
        {
            "detail": "You are not allowed to create a Tweet with duplicate content.",
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
        },
    ),
    # The old form, which some v2 answers still have.
    "duplicate_187": (403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}),
    "too_long_186": (403, {"errors": [{"code": 186, "message": "Tweet needs to be a bit shorter."}]}),
    "daily_limit_185": (
        403,
        {"errors": [{"code": 185, "message": "User is over daily status update limit."}]},
    ),
    "too_long": (
        400,
        {
            "errors": [{"parameters": {}, "message": "Your Tweet text is too long."}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEMS}/invalid-request",
        },
    ),
    "locked": (
        403,
        {
            "detail": "To protect our users from spam and other malicious activity, this account has been "
            "temporarily locked. Please log in to https://x.com to unlock your account.",
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
        },
    ),
    "read_only": (
        403,
        {
            "title": "Forbidden",
            "detail": "Your client app is not configured with the appropriate oauth1 app permissions for this "
            "endpoint.",
            "type": f"{PROBLEMS}/oauth1-permissions",
            "status": 403,
        },
    ),
    "not_enrolled": (
        403,
        {"title": "Forbidden", "detail": "User is not enrolled.", "type": f"{PROBLEMS}/user-not-enrolled"},
    ),
    "spending_capped": (
        403,
        {"title": "SpendCapReached", "detail": "Spending cap reached.", "type": f"{PROBLEMS}/usage-capped"},
    ),
    "forbidden": (
        403,
        {
            "detail": "You are not permitted to perform this action.",
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
        },
    ),
    "suspended": (
        403,
        {
            "detail": "Your account is suspended and is not permitted to access this feature.",
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
        },
    ),
    "client_forbidden": (
        403,
        {
            "title": "Client Forbidden",
            "detail": "When authenticating requests to the Twitter API v2 endpoints, you must use keys and "
            "tokens from a Twitter developer App that is attached to a Project.",
            "reason": "client-not-enrolled",
            "required_enrollment": "Appropriate Level of API Access",
            "type": f"{PROBLEMS}/client-forbidden",
        },
    ),
    "rate_limited": (
        429,
        {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429},
    ),
    # The form in X's own documents.
    "rate_limited_88": (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}),
    "usage_capped": (
        429,
        {
            "title": "UsageCapExceeded",
            "detail": "Usage cap exceeded: Monthly product cap",
            "type": f"{PROBLEMS}/usage-capped",
            "period": "Monthly",
            "scope": "Account",
            "product_name": "standard-basic",
        },
    ),
    "internal_error": (
        500,
        {"title": "Internal Server Error", "detail": "Internal Server Error", "type": "about:blank", "status": 500},
    ),
    "unavailable": (
        503,
        {"title": "Service Unavailable", "detail": "Service Unavailable", "type": "about:blank", "status": 503},
    ),
}


def invalid(*messages: str, parameters: dict[str, list[str]] | None = None) -> Refusal:
    """X's 400: one sentence for each thing that is wrong with the request."""
    body = {
        "errors": [{"parameters": parameters or {}, "message": message} for message in messages],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }
    return Refusal(400, body, content_type="application/problem+json")


def not_found(kind: str, parameter: str, value: str) -> dict[str, str]:
    """X's problem for a thing that is not there; for reads it comes with status 200."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{PROBLEMS}/resource-not-found",
    }


# Graph: (code, subcode) → (status, message). 1 and 2 come as HTTP 500, and have been seen after publishing.
GRAPH: dict[tuple[int, int | None], tuple[int, str]] = {
    (1, None): (500, "An unknown error occurred"),
    (2, None): (500, "An unexpected error has occurred. Please retry your request later."),
    (4, None): (403, "(#4) Application request limit reached"),
    (10, None): (403, "(#10) Application does not have permission for this action"),
    (17, None): (400, "(#17) User request limit reached"),
    (32, None): (403, "(#32) Page request limit reached"),
    (100, None): (400, "(#100) Invalid parameter"),
    (100, 33): (
        400,
        "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does "
        "not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api",
    ),
    (102, None): (401, "(#102) Session key invalid or no longer valid"),
    (104, None): (400, "An access token is required to request this resource."),
    (190, None): (401, "Invalid OAuth access token - Cannot parse access token"),
    (190, 458): (401, "Error validating access token: The user has not authorized application."),
    (190, 459): (
        401,
        "Error validating access token: You cannot access the app till you log in to www.facebook.com and "
        "follow the instructions given.",
    ),
    (190, 460): (
        401,
        "Error validating access token: The session has been invalidated because the user changed their "
        "password or Facebook has changed the session for security reasons.",
    ),
    (190, 463): (401, "Error validating access token: Session has expired."),
    (190, 464): (401, "Error validating access token: Sessions for the user are not allowed."),
    (190, 467): (401, "Error validating access token: The session is invalid because the user logged out."),
    (190, 492): (
        401,
        "Error validating access token: The user must be an administrator, editor, or moderator of the page.",
    ),
    (200, None): (403, "(#200) Permissions error"),
    (341, None): (400, "(#341) Feed action request limit reached"),
    (368, None): (
        400,
        "The action attempted has been deemed abusive or is otherwise disallowed",
    ),
    (506, 1455006): (400, "Duplicate status message"),
    (368, 1390008): (400, "It looks like you were misusing this feature by going too fast."),
    (368, 1404102): (400, "This content goes against our Community Standards."),
    (368, 1404112): (400, "Your account is limited right now."),
    (368, 4854002): (400, "Confirm your identity before you publish as this Page."),
    (613, None): (400, "(#613) Calls to this api have exceeded the rate limit."),
    (80001, None): (
        400,
        "(#80001) There have been too many calls to this Page account. Wait a bit and try again.",
    ),
    (2635, None): (
        400,
        "(#2635) You are calling a deprecated version of the API. Please update to the latest version: v26.0.",
    ),
    (1390008, None): (400, "It looks like you were misusing this feature by going too fast."),
    (1404102, None): (400, "This content goes against our Community Standards."),
    (1404112, None): (400, "Your account is limited right now."),
    (4854002, None): (400, "Confirm your identity before you publish as this Page."),
}
TRANSIENT = {1, 2, 4, 17, 32, 341, 613, 80001}
# What the person would read on Facebook, where Facebook sends it along.
TITLES = {
    506: (
        "Duplicate Status Update",
        "This status update is identical to the last one you posted. Try posting something different, or "
        "delete your previous update.",
    ),
    368: (
        "You've already posted this",
        "Posting the same content repeatedly on Facebook isn't allowed.",
    ),
}


def graph(code: int, subcode: int | None = None, message: str = "", *, kind: str = "OAuthException") -> Refusal:
    """Graph's error object; the message of the table unless another is given."""
    status, usual = GRAPH.get((code, subcode), (400, ""))
    error: dict[str, Any] = {
        "message": message or usual,
        "type": kind,
        "code": code,
        "is_transient": code in TRANSIENT,
        "fbtrace_id": "AsandboxTRACE",
    }
    if subcode is not None:
        error["error_subcode"] = subcode
    if code in TITLES:
        error["error_user_title"], error["error_user_msg"] = TITLES[code]
    return Refusal(status, {"error": error})


def rate_headers(limit: int, used: int, reset: int) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(max(0, limit - used)),
        "x-rate-limit-reset": str(reset),
    }


def in_seconds(seconds: float) -> int:
    """The epoch second that lies this far ahead (or behind)."""
    return int(clock.time() + seconds)
