"""The words that a list files its people under."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..models import MemberTag, Publication, Subscription
from ..models.items import tag_key

_AT_ONCE = 5_000


def names(typed: str) -> dict[str, str]:
    """“Lima; Cusco” as words by the key that tags are compared by."""
    words = [" ".join(part.split())[:64] for part in re.split(r"[;,|\n]", typed)]
    return {key: word for word in words if (key := tag_key(word))}


def tag(typed: Mapping[str, str], publication: Publication) -> None:
    """File these members, by address, under what the list says. A list takes no tag away."""
    addresses = list(typed)
    for start in range(0, len(addresses), _AT_ONCE):
        found = Subscription.objects.filter(
            publication=publication, state="active", member__email__in=addresses[start : start + _AT_ONCE]
        ).values_list("member_id", "member__email")
        MemberTag.objects.bulk_create(
            (
                MemberTag(member_id=pk, key=key, name=name)
                for pk, email in found
                for key, name in names(typed[email]).items()
            ),
            ignore_conflicts=True,
        )
