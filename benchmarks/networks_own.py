"""What each network answers on its own account, by the names the sandbox gives it, and how a post must end then."""

from __future__ import annotations

from benchmarks.networks_behaviours import (
    ASKED,
    BY_TIMELINE,
    HELD,
    MEMORY,
    ON_ALL,
    PUBLISHED,
    REFUSED,
    Behaviour,
    fault,
)

#: Ends, by what the sandbox calls the answer.
_X = {
    "unauthorized": HELD,
    **dict.fromkeys(("locked", "read_only", "not_enrolled", "spending_capped"), HELD),
    **dict.fromkeys(("too_long", "too_long_186"), REFUSED),
    "daily_limit_185": PUBLISHED,
    "duplicate_187": ASKED,
    "payment_required": HELD,
    "duplicate": ASKED,
    "forbidden": HELD,
    "suspended": HELD,
    "client_forbidden": HELD,
    "rate_limited": PUBLISHED,
    "rate_limited_88": PUBLISHED,
    "rate_limited_reset_past": PUBLISHED,
    "rate_limited_without_reset": PUBLISHED,
    "usage_capped": HELD,
    "internal_error": ASKED,
    "unreadable": ASKED,
    "partial_errors": ASKED,
}

_FACEBOOK = {
    "code_1": ASKED,
    "code_2": ASKED,
    "json_500_without_error": ASKED,
    "unreadable": ASKED,
    "code_506_1455006": ASKED,
    "already_posted": ASKED,
    "code_368_1390008": PUBLISHED,
    "code_80001": PUBLISHED,
    "code_368_1404102": REFUSED,
    **dict.fromkeys(("code_368_1404112", "code_368_4854002"), HELD),
    **dict.fromkeys(("code_4", "code_17", "code_32", "code_341", "code_613", "code_1390008"), PUBLISHED),
    **dict.fromkeys(("code_100", "code_1404102", "code_2635"), REFUSED),
    **dict.fromkeys(("code_10", "code_100_33", "code_102", "code_104", "code_190", "code_200", "code_368"), HELD),
    **dict.fromkeys((f"code_190_{subcode}" for subcode in (458, 459, 460, 463, 464, 467, 492)), HELD),
    **dict.fromkeys(("code_1404112", "code_4854002"), HELD),
}


_MASTODON = {
    **dict.fromkeys(("unauthorized", "revoked", "expired", "no_user", "gone"), HELD),
    **dict.fromkeys(("outside_scopes", "disabled", "unconfirmed", "pending", "not_allowed", "forbidden_page"), HELD),
    **dict.fromkeys(("not_found", "blank", "too_long", "too_long_in_german", "too_large"), REFUSED),
    **dict.fromkeys(("too_many_media", "media_gone", "no_media", "description", "media_type"), REFUSED),
    "processing_failed": REFUSED,
    **dict.fromkeys(("rate_limited", "rate_limited_reset_past", "rate_limited_without_reset", "not_ready"), PUBLISHED),
    **dict.fromkeys(("duplicate_record", "remote_data", "race", "internal_error", "unreadable"), ASKED),
    **dict.fromkeys(("id_alone", "dropped"), ASKED),
}

_BLUESKY = {
    **dict.fromkeys(("invalid_request", "text_too_long", "not_found"), REFUSED),
    **dict.fromkeys(("blob_too_large", "invalid_mime_type", "payload_too_large"), REFUSED),
    **dict.fromkeys(("expired_token", "invalid_token", "blob_not_found"), PUBLISHED),
    **dict.fromkeys(("auth_missing", "wrong_password", "code_by_mail", "taken_down", "suspended"), HELD),
    **dict.fromkeys(("deactivated", "bad_scope"), HELD),
    **dict.fromkeys(("rate_limited", "rate_limited_reset_past", "rate_limited_without_reset"), PUBLISHED),
    **dict.fromkeys(("internal_error", "upstream_failure", "not_enough_resources", "upstream_timeout"), ASKED),
    "unreadable": ASKED,
}


def _named(names: dict[str, str]) -> tuple[Behaviour, ...]:
    return tuple(Behaviour(f"answers {name}", end, fault(name)) for name, end in names.items())


def _in_spite(*names: str) -> tuple[Behaviour, ...]:
    """It has done it, and answers so."""
    return tuple(
        Behaviour(f"answers {name}, and has done it", PUBLISHED, fault(name, commit=True), doubt=True) for name in names
    )


def _later(*names: str) -> tuple[Behaviour, ...]:
    """It has done it, says "later", and would do it again."""
    return tuple(
        Behaviour(f"says {name}, has done it, and would again", PUBLISHED, fault(name, commit=True), doubt=True)
        for name in names
    )


def _denied(*names: str) -> tuple[Behaviour, ...]:
    """It has done it, and says that it has not; what is sent again it knows for the same."""
    return tuple(
        Behaviour(f"denies with {name}, and has done it", PUBLISHED, fault(name, commit=True), repeats=False)
        for name in names
    )


OWN = {
    "x": (
        *BY_TIMELINE,
        *MEMORY,
        *_named(_X),
        *_in_spite("internal_error", "unreadable", "partial_errors"),
        *_denied("duplicate", "rate_limited", "rate_limited_88"),
        *_later("rate_limited", "rate_limited_without_reset", "daily_limit_185"),
    ),
    "facebook": (
        *BY_TIMELINE,
        *MEMORY,
        *_named(_FACEBOOK),
        *_in_spite("code_1", "code_2", "json_500_without_error"),
        *_denied("code_506_1455006", "code_4", "code_32"),
        *_later("code_4", "code_17", "code_32", "code_341", "code_613", "code_80001"),
    ),
    # Its keys are remembered for an hour, a person may answer later: so nothing saves from a person's mistake.
    "mastodon": (
        *BY_TIMELINE,
        *_named(_MASTODON),
        *_in_spite("internal_error", "remote_data", "race", "id_alone", "dropped"),
        *_denied("rate_limited", "duplicate_record"),
        *_later("rate_limited", "rate_limited_without_reset", "not_ready"),
    ),
    "bluesky": (
        *MEMORY,
        *_named(_BLUESKY),
        *_in_spite("internal_error", "upstream_failure", "without_uri", "without_cid", "garbled_cid", "elsewhere"),
        *_denied("rate_limited", "invalid_swap"),
        *_later("rate_limited", "rate_limited_without_reset"),
    ),
}


def behaviours_of(network: str) -> tuple[Behaviour, ...]:
    return ON_ALL + OWN.get(network, ())
