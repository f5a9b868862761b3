"""The nouns. One module each; the verbs that move them are in publisher/items.py, digests.py, members.py, posts.py."""

from .asking import Asked, JoinRequest, LinkRequest
from .bounces import Bounce, Mailbox
from .campaigns import Campaign
from .channels import Channel, Post, Slot
from .clicks import Click, MeasuringConsent, MembersOfDay, Reading, TalliedTo
from .clockwork import Lease, Run
from .corrections import Correction
from .deliveries import Delivery, Hold, Notice
from .digests import Approval, Digest, Entry, Proof
from .epochs import Epoch
from .events import Event
from .farewells import Farewell
from .handshakes import Handshake
from .items import Item, Picture, Tag
from .measures import Gathering, Measure
from .members import Consent, ConsentWording, Member, Subscription, Suppression
from .paces import Pace
from .people import Person
from .post_sets import PostSet
from .publications import Publication, StandingSection
from .segments import MemberTag, Merged, Segment, Upload, UploadPart
from .sources import Source
from .wordings import Wording

__all__ = [
    "Approval",
    "Asked",
    "Bounce",
    "Campaign",
    "Channel",
    "Click",
    "Consent",
    "ConsentWording",
    "Correction",
    "Delivery",
    "Digest",
    "Entry",
    "Epoch",
    "Event",
    "Farewell",
    "Gathering",
    "Handshake",
    "Hold",
    "Item",
    "JoinRequest",
    "Lease",
    "LinkRequest",
    "Mailbox",
    "Measure",
    "MeasuringConsent",
    "Member",
    "MemberTag",
    "MembersOfDay",
    "Merged",
    "Notice",
    "Pace",
    "Person",
    "Picture",
    "Post",
    "PostSet",
    "Proof",
    "Publication",
    "Reading",
    "Run",
    "Segment",
    "Slot",
    "Source",
    "StandingSection",
    "Subscription",
    "Suppression",
    "Tag",
    "TalliedTo",
    "Upload",
    "UploadPart",
    "Wording",
]
