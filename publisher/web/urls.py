"""The addresses of the pages. Public ones stand in public_urls.py."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from . import look, public_urls
from .staff import digests, epochs, items, pictures, posts, proofs, sendings, signing_in, unknowns, wordings


class Colour:
    regex = "[0-9a-f]{6}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Colour, "colour")

item = [
    path("", items.detail, name="item"),
    path("row/", items.row, name="item-row"),
    path("row/edit/", items.edit_row, name="item-edit-row"),
    path("queue/", items.queue, name="item-queue"),
    path("set-aside/", items.set_aside, name="item-set-aside"),
    path("withdraw/", items.withdraw, name="item-withdraw"),
    path("source/take/", items.take_source_text, name="item-take"),
    path("source/keep/", items.keep_own_text, name="item-keep"),
    path("flags/clear/", items.clear_flags, name="item-clear-flags"),
]

digest = [
    path("", digests.detail, name="digest"),
    path("edit/", digests.edit, name="digest-edit"),
    path("add/", digests.add, name="digest-add"),
    path("entries/<int:entry>/", digests.edit_entry, name="entry-edit"),
    path("entries/<int:entry>/move/", digests.move, name="entry-move"),
    path("entries/<int:entry>/remove/", digests.remove, name="entry-remove"),
    path("posts/<int:post>/", digests.edit_post, name="post-edit"),
    path("preview/", digests.preview, name="digest-preview"),
    path("review/", digests.send_to_review, name="digest-review"),
    path("proof/", proofs.detail, name="proof"),
    path("proof/html/", proofs.html, name="proof-html"),
    path("proof/approve/", proofs.approve, name="proof-approve"),
    path("proof/changes/", proofs.ask_changes, name="proof-changes"),
    path("sending/", sendings.detail, name="sending"),
    path("sending/schedule/", sendings.schedule, name="sending-schedule"),
    path("sending/undo/", sendings.undo, name="sending-undo"),
    path("sending/pause/", sendings.pause, name="sending-pause"),
    path("sending/resume/", sendings.resume, name="sending-resume"),
    path("sending/cancel/", sendings.cancel, name="sending-cancel"),
    path("sending/deliveries/<int:delivery>/", unknowns.settle, name="delivery-settle"),
    path("sending/unknown/ticked/", unknowns.settle_ticked, name="unknown-ticked"),
    path("sending/unknown/all/", unknowns.settle_all, name="unknown-all"),
    path("sending/posts/<int:post>/hold/", posts.hold, name="post-hold"),
    path("sending/posts/<int:post>/release/", posts.release, name="post-release"),
    path("sending/posts/<int:post>/cancel/", posts.cancel, name="post-cancel"),
    path("sending/posts/<int:post>/settle/", posts.settle, name="post-settle"),
]

staff: list[URLPattern | URLResolver] = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("items/", items.index, name="items"),
    path("items/queue/", items.queue_many, name="items-queue"),
    path("items/<int:pk>/", include(item)),
    path("digests/", digests.index, name="digests"),
    path("digests/compose/<slug:slug>/", digests.compose, name="digest-compose"),
    path("digests/<int:pk>/", include(digest)),
    path("wordings/", wordings.index, name="wordings"),
    path("wordings/<slug:slug>/<slug:network>/<slug:purpose>/", wordings.detail, name="wording"),
    path("wordings/<slug:slug>/<slug:network>/<slug:purpose>/reset/", wordings.reset, name="wording-reset"),
    path("pictures/<slug:sha256>/", pictures.picture, name="post-picture"),
    path("epoch/", epochs.detail, name="epoch"),
    path("epoch/confirm/", epochs.confirm, name="epoch-confirm"),
]

urlpatterns = [
    path("staff/", include(staff)),
    path("accent/<colour:colour>.css", look.accent, name="accent"),
    # Last, because a public address may begin with any publication's name.
    path("", include(public_urls)),
]
