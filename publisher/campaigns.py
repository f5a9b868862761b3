"""What can be done with campaigns: add, edit, join, leave, invite, end.

An item joins by its tags (publisher/tags.py) or by hand. What a campaign does to posts stands where they are made:
the hashtag in publisher/posts.py, live coverage in publisher/slots.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from . import cards, wordings
from .lifecycle import NotAllowed, Refusal, note
from .models import Campaign, Channel, Item, Person, Post, PostSet, Publication
from .models.items import tag_key

#: What every network takes as one hashtag: letters, their marks, digits and underscores, and not digits alone.
#: A hyphen or a dot would end it in the middle.
HASHTAG = re.compile(r"(?!\d+\Z)[^\W_][\w\u0300-\u036f]*")
#: Bluesky's limit; the others take more, and no reader.
LONGEST_HASHTAG = 64
EDITABLE = frozenset({"name", "starts_on", "ends_on", "live", "invitation", "link"})
_NAMED = {"starts_on": "first day", "ends_on": "last day", "live": "live coverage"}


def add(
    publication: Publication, hashtag: str, starts_on: date, ends_on: date, *, by: Person, **fields: Any
) -> Campaign:
    """A campaign from one day to another, both within, on the publication's clock. Fields are those of EDITABLE."""
    hashtag = checked(hashtag)
    given = {"name": "", "live": False, "invitation": "", "link": "", **fields}
    campaign = Campaign(
        publication=publication, hashtag=hashtag, key=tag_key(hashtag), starts_on=starts_on, ends_on=ends_on, **given
    )
    with transaction.atomic():
        Publication.objects.select_for_update().get(pk=publication.pk)
        _refuse_wrong_period(campaign)
        campaign.save()
        note(campaign, "added", by=by, why=f"{campaign}, {campaign.period}")
    return campaign


def edit(campaign: Campaign, *, by: Person, **fields: Any) -> None:
    """Posts that are drafted from now on go by it; what was approved keeps its words and its time."""
    if wrong := set(fields) - EDITABLE:
        raise Refusal(f"These cannot be edited: {', '.join(sorted(wrong))}.")
    changed = {name: value for name, value in fields.items() if getattr(campaign, name) != value}
    if not changed:
        return
    with transaction.atomic():
        Publication.objects.select_for_update().get(pk=campaign.publication_id)
        for name, value in changed.items():
            setattr(campaign, name, value)
        _refuse_wrong_period(campaign)
        campaign.save(update_fields=list(changed))
        what = ", ".join(_NAMED.get(name, name) for name in sorted(changed))
        note(campaign, "edited", by=by, why=what, fields=sorted(changed))


def join(campaign: Campaign, items: Iterable[Item], *, by: Person) -> None:
    """By hand: also an item without its tag."""
    _refuse_over(campaign)
    chosen = list(items)
    if strangers := [item for item in chosen if item.publication_id != campaign.publication_id]:
        raise Refusal(f"“{strangers[0]}” belongs to another publication than {campaign}.")
    with transaction.atomic():
        campaign.items.add(*chosen)
        note(campaign, "joined", by=by, why=", ".join(f"“{item}”" for item in chosen), items=[i.pk for i in chosen])


def leave(campaign: Campaign, item: Item, *, by: Person) -> None:
    """Take out what joined by hand. What belongs to it by its tag leaves with the tag."""
    if not campaign.items.filter(pk=item.pk).exists():
        raise Refusal(f"“{item}” did not join by hand: take the tag {campaign.hashtag} off it.")
    campaign.items.remove(item)
    note(campaign, "left", by=by, why=f"“{item}”", items=[item.pk])


def end(campaign: Campaign, *, by: Person) -> None:
    """Before its last day, for good: what is drafted from now on does not carry its hashtag any more."""
    _refuse_over(campaign)
    campaign.ended_at = timezone.now()
    campaign.save(update_fields=["ended_at"])
    note(campaign, "ended", by=by)


def invite(campaign: Campaign, *, by: Person) -> PostSet:
    """Draft an invitation with its card on each channel that has none, as a set of posts to be approved."""
    _refuse_over(campaign)
    with transaction.atomic():
        Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
        invited = campaign.posts.filter(purpose=Post.Purpose.CAMPAIGN).exclude(state=Post.State.CANCELLED)
        channels = list(campaign.publication.channels.exclude(pk__in=invited.values("channel")))
        if not channels:
            raise Refusal(f"Every channel of {campaign.publication.series} has an invitation to {campaign} already.")
        posts = PostSet.objects.create(
            publication=campaign.publication, title=f"Follow {campaign}", created_by=by, state=PostSet.State.DRAFT
        )
        for position, channel in enumerate(channels, 1):
            _draft_invitation(campaign, channel, posts, position)
        note(posts, "edited", by=by, why=f"an invitation to {campaign}")
        note(campaign, "invited", by=by, why=", ".join(str(channel) for channel in channels))
    return posts


def named(publication: Publication, hashtag: str) -> Campaign:
    """The newest of this hashtag."""
    found = publication.campaigns.filter(key=tag_key(hashtag)).first()
    if found is None:
        known = ", ".join(str(campaign) for campaign in publication.campaigns.all()) or "none yet"
        raise Refusal(f"{publication.series} has no campaign #{hashtag.lstrip('#')}. There are: {known}.")
    return found


def checked(hashtag: str) -> str:
    """The hashtag without its sign. Refusal, in a sentence, where a network would cut it."""
    bare = hashtag.strip().removeprefix("#")
    if not HASHTAG.fullmatch(bare):
        raise Refusal(
            f"“{hashtag}” is no hashtag: write it as one word of letters and digits that begins with one of them and "
            "is not a number, such as EITI2016."
        )
    if len(bare) > LONGEST_HASHTAG:
        raise Refusal(f"A hashtag has at most {LONGEST_HASHTAG} characters; this has {len(bare)}.")
    return bare


def _refuse_wrong_period(campaign: Campaign) -> None:
    if campaign.ends_on < campaign.starts_on:
        raise Refusal("The last day of a campaign comes after its first, or is the same.")
    others = Campaign.objects.filter(publication=campaign.publication, key=campaign.key).exclude(pk=campaign.pk)
    meets = others.filter(starts_on__lte=campaign.ends_on, ends_on__gte=campaign.starts_on)
    # One that was ended by hand makes room, but for its own first day, which it is known by.
    if other := meets.filter(ended_at=None).first() or others.filter(starts_on=campaign.starts_on).first():
        raise Refusal(f"There is {other} from {other.period} already: choose other days, or edit that one.")


def _refuse_over(campaign: Campaign) -> None:
    if campaign.over:
        raise NotAllowed(f"{campaign} is over.")


def _draft_invitation(campaign: Campaign, channel: Channel, posts: PostSet, position: int) -> None:
    picture, alt = cards.illustration(campaign, channel.network)
    fields = wordings.of_campaign(campaign)
    post = Post.objects.create(
        channel=channel,
        purpose=Post.Purpose.CAMPAIGN,
        campaign=campaign,
        post_set=posts,
        state=Post.State.DRAFT,
        text=wordings.write(
            campaign.publication, channel.network, "campaign", with_picture=picture is not None, **fields
        ),
        link=campaign.link,
        picture=picture,
        image_alt=alt,
        position=position,
    )
    note(post, "drafted", by=None)
