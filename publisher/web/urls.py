"""The addresses of the pages. Public ones stand in public_urls.py."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from . import look, public_urls
from .staff import (
    campaigns,
    channels_connecting,
    channels_health,
    corrections,
    deliveries,
    digests,
    epochs,
    farewells,
    figures,
    healths,
    items,
    joining,
    members,
    members_lists,
    members_segments,
    pictures,
    plan,
    post_sets,
    posts,
    proofs,
    readers,
    rewording,
    sendings,
    signing_in,
    times,
    unknowns,
    wordings,
)


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
    path("correct/", corrections.detail, name="item-correct"),
    path("correct/draft/", corrections.correct, name="item-correct-draft"),
    path("correct/<int:correction>/approve/", corrections.approve, name="correction-approve"),
    path("correct/<int:correction>/drop/", corrections.drop, name="correction-drop"),
]

digest = [
    path("", digests.detail, name="digest"),
    path("edit/", digests.edit, name="digest-edit"),
    path("audience/", digests.choose_audience, name="digest-audience"),
    path("add/", digests.add, name="digest-add"),
    path("entries/<int:entry>/", digests.edit_entry, name="entry-edit"),
    path("entries/<int:entry>/move/", digests.move, name="entry-move"),
    path("entries/<int:entry>/remove/", digests.remove, name="entry-remove"),
    path("corrections/<int:correction>/tell/", digests.tell, name="digest-tell"),
    path("corrections/<int:correction>/tell-not/", digests.tell_not, name="digest-tell-not"),
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
    path("sending/believe/", sendings.believe, name="sending-believe"),
    path("sending/seen/", sendings.seen, name="sending-seen"),
    path("sending/letters/<slug:state>/", deliveries.in_state, name="sending-deliveries"),
    path("sending/deliveries/<int:delivery>/", unknowns.settle, name="delivery-settle"),
    path("sending/unknown/ticked/", unknowns.settle_ticked, name="unknown-ticked"),
    path("sending/unknown/all/", unknowns.settle_all, name="unknown-all"),
    path("sending/posts/<int:post>/hold/", posts.hold, name="post-hold"),
    path("sending/posts/<int:post>/release/", posts.release, name="post-release"),
    path("sending/posts/<int:post>/cancel/", posts.cancel, name="post-cancel"),
    path("sending/posts/<int:post>/settle/", posts.settle, name="post-settle"),
]

campaign = [
    path("", campaigns.detail, name="campaign"),
    path("edit/", campaigns.edit, name="campaign-edit"),
    path("join/", campaigns.join, name="campaign-join"),
    path("items/<int:item>/leave/", campaigns.leave, name="campaign-leave"),
    path("invite/", campaigns.invite, name="campaign-invite"),
    path("end/", campaigns.end, name="campaign-end"),
]

post_set = [
    path("", post_sets.detail, name="post-set"),
    path("add/", post_sets.add, name="post-set-add"),
    path("posts/<int:post>/remove/", post_sets.remove, name="post-set-remove"),
    path("posts/<int:post>/settle/", post_sets.settle, name="post-set-settle"),
    path("review/", post_sets.send_to_review, name="post-set-review"),
    path("proof/", post_sets.proof, name="post-set-proof"),
    path("proof/approve/", post_sets.approve, name="post-set-approve"),
    path("proof/changes/", post_sets.ask_changes, name="post-set-changes"),
    path("take-back/", post_sets.take_back, name="post-set-take-back"),
    path("cancel/", post_sets.cancel, name="post-set-cancel"),
]

planned_post = [
    path("now/", plan.post_now, name="plan-now"),
    path("hold/", plan.hold, name="plan-hold"),
    path("release/", plan.release, name="plan-release"),
    path("cancel/", plan.cancel, name="plan-cancel"),
    path("move/", plan.move, name="plan-move"),
    path("prefer/", plan.prefer, name="plan-prefer"),
]

staff: list[URLPattern | URLResolver] = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("", items.front),
    path("items/", items.index, name="items"),
    path("items/queue/", items.queue_many, name="items-queue"),
    path("items/<int:pk>/", include(item)),
    path("digests/", digests.index, name="digests"),
    path("digests/compose/<slug:slug>/", digests.compose, name="digest-compose"),
    path("digests/<int:pk>/", include(digest)),
    path("campaigns/", campaigns.index, name="campaigns"),
    path("campaigns/<int:pk>/", include(campaign)),
    path("campaigns/add/<slug:slug>/", campaigns.add, name="campaign-add"),
    path("posts/<int:pk>/words/", rewording.detail, name="post-words"),
    path("posts/<int:pk>/length/", rewording.length, name="post-length"),
    path("wordings/", wordings.index, name="wordings"),
    path("wordings/<slug:slug>/<slug:network>/<slug:purpose>/", wordings.detail, name="wording"),
    path("wordings/<slug:slug>/<slug:network>/<slug:purpose>/reset/", wordings.reset, name="wording-reset"),
    path("pictures/<slug:sha256>/", pictures.picture, name="post-picture"),
    path("posts/<int:pk>/removal/", corrections.removal, name="post-removal"),
    path("posts/<int:pk>/remove/", corrections.remove, name="post-remove"),
    path("posts/<int:pk>/gone/", corrections.gone, name="post-gone"),
    path("figures/", figures.index, name="figures"),
    path("figures/readers/", readers.index, name="figures-readers"),
    path("figures/farewells/", farewells.index, name="figures-farewells"),
    path("figures/<int:pk>/", figures.of_channel, name="figures-of"),
    path("figures/<int:pk>/budget/", figures.budget, name="figures-budget"),
    path("channels/", channels_health.index, name="channels"),
    path("channels/answered/", channels_connecting.answered, name="channel-answered"),
    path("channels/connect/<slug:slug>/<slug:network>/", channels_connecting.connect, name="channel-connect"),
    path("channels/go/<int:pk>/", channels_connecting.go, name="channel-go"),
    path("channels/choose/<int:pk>/", channels_connecting.choose, name="channel-choose"),
    path("channels/<int:pk>/", channels_health.detail, name="channel"),
    path("channels/<int:pk>/look/", channels_health.look, name="channel-look"),
    path("channels/<int:pk>/budget/", channels_health.budget, name="channel-budget"),
    path("channels/<int:pk>/resume/", channels_health.resume, name="channel-resume"),
    path("sets/", post_sets.index, name="post-sets"),
    path("sets/compose/<slug:slug>/", post_sets.compose, name="post-set-compose"),
    path("sets/<int:pk>/", include(post_set)),
    path("plan/", plan.index, name="plan"),
    path("plan/<int:pk>/", include(planned_post)),
    path("channels/<int:pk>/times/", times.detail, name="channel-times"),
    path("channels/<int:pk>/times/set/", times.change, name="channel-times-set"),
    path("members/", members.index, name="members"),
    path("members/find/", members.find, name="member-find"),
    path("members/<int:pk>/", members.detail, name="member"),
    path("members/<int:pk>/tag/", members.tag, name="member-tag"),
    path("members/<int:pk>/merge/", members.merge, name="member-merge"),
    path("members/<int:pk>/erase/", members.erase, name="member-erase"),
    path("members/<int:pk>/data/", members.data, name="member-data"),
    path("members/lists/", members_lists.index, name="member-lists"),
    path("members/lists/put/<slug:slug>/", members_lists.put, name="member-list-put"),
    path("members/lists/<int:pk>/", members_lists.detail, name="member-list"),
    path("members/lists/<int:pk>/start/", members_lists.start, name="member-list-start"),
    path("members/lists/<int:pk>/drop/", members_lists.drop, name="member-list-drop"),
    path("members/export/<slug:slug>/", members_lists.export, name="member-export"),
    path("members/segments/", members_segments.index, name="member-segments"),
    path("members/segments/add/<slug:slug>/", members_segments.add, name="member-segment-add"),
    path("members/segments/<int:pk>/", members_segments.detail, name="member-segment"),
    path("members/segments/<int:pk>/edit/", members_segments.edit, name="member-segment-edit"),
    path("members/segments/<int:pk>/remove/", members_segments.remove, name="member-segment-remove"),
    path("members/kept/", members_segments.kept, name="member-kept"),
    path("joining/<slug:slug>/", joining.detail, name="joining"),
    path("joining/<slug:slug>/<slug:language>/reword/", joining.reword, name="joining-reword"),
    path("epoch/", epochs.detail, name="epoch"),
    path("health/", healths.detail, name="staff-health"),
    path("health/look/", healths.look, name="staff-health-look"),
    path("epoch/confirm/", epochs.confirm, name="epoch-confirm"),
]

urlpatterns = [
    path("staff/", include(staff)),
    path("accent/<colour:colour>.css", look.accent, name="accent"),
    # Last, because a public address may begin with any publication's name.
    path("", include(public_urls)),
]
