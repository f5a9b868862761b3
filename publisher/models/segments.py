from __future__ import annotations

from django.db import models
from django.utils import timezone

from .lives import Lives, known_states, moves
from .members import Consent, Member
from .people import Person
from .publications import Publication


class MemberTag(models.Model):
    """A word that staff file a member under: "volunteer", "Lima". Segments are made of them."""

    # The constraint's index begins with the member.
    member = models.ForeignKey(Member, models.CASCADE, related_name="tags", db_index=False)
    key = models.CharField(max_length=64, help_text="The word as tags are compared.")
    name = models.CharField(max_length=64)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["member", "key"], name="member_tag_once")]
        indexes = [models.Index(fields=["key", "member"], name="member_tag_key")]

    def __str__(self) -> str:
        return self.name


class Merged(models.Model):
    """The number of a row that was merged into another: letters of years ago lead to it by their links."""

    number = models.BigIntegerField(primary_key=True)
    member = models.ForeignKey(Member, models.CASCADE, related_name="merged")

    def __str__(self) -> str:
        return f"former member {self.number}"


class Segment(models.Model):
    """A part of a publication's members, by a rule that is data. A proof holds a copy of the rule."""

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="segments")
    name = models.CharField(max_length=80)
    #: {"languages": ["es"], "tags": ["lima"], …}: publisher/delivery/audiences.py has the keys.
    rule = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["publication", "name"], name="segment_once")]

    def __str__(self) -> str:
        return self.name


UPLOAD_MOVES = moves(
    {
        # Dropped: nobody started it, or somebody in it was erased meanwhile.
        "waiting": "queued dropped",
        "queued": "running dropped",
        # Back to queued: the worker died. What was taken is known, so beginning anew brings nobody twice.
        "running": "queued done failed dropped",
        "done": "",
        "failed": "",
        "dropped": "",
    }
)


class Upload(Lives):
    """A list of members that somebody uploaded: looked at, started, and taken in by a worker."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for your word"
        QUEUED = "queued", "about to start"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        DROPPED = "dropped", "dropped"

    class What(models.TextChoices):
        MEMBERS = "members", "members"
        LEAVERS = "leavers", "people who left"
        SUPPRESSIONS = "suppressions", "addresses never to be mailed"

    MOVES = UPLOAD_MOVES

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="uploads")
    by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    what = models.CharField(max_length=12, choices=What, default=What.MEMBERS)
    name = models.CharField(max_length=120, help_text="The file's, without what looks like an address.")
    at = models.DateTimeField(default=timezone.now)
    #: Empty until somebody says it: nobody claims a consent by not choosing.
    basis = models.CharField(max_length=12, choices=Consent.Basis, blank=True, default="")
    wording = models.TextField(blank=True, default="", help_text="What they said yes to, where it is known.")
    #: What staff said of its columns: {"email": "Correo", "first_name": "Nombre"}.
    columns = models.JSONField(default=dict, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    taken = models.PositiveBigIntegerField(default=0, help_text="Bytes of it that were read so far.")
    #: {"added": 12, "known": 3, …}, as far as it is.
    report = models.JSONField(default=dict, blank=True)
    #: The first lines that could not be taken: [[line, why, text]]. They may hold addresses, and are soon forgotten.
    rejected = models.JSONField(default=list, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    holder = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [known_states(UPLOAD_MOVES, "upload_state_known")]

    def __str__(self) -> str:
        return self.name


class UploadPart(models.Model):
    """Some bytes of it: in the database, because the worker may be on another machine. Gone when it is over."""

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="parts", db_index=False)
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["upload", "position"], name="upload_part_once")]

    def __str__(self) -> str:
        return f"part {self.position} of upload {self.upload_id}"
