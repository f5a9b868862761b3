"""The pages that everybody may read. A publication's own address comes last: its slug is any word."""

from __future__ import annotations

from django.urls import path

from . import health, metrics
from .public import archive, cards, feeds, following, friends, leaving, pictures, preferences, subscribing, webhooks

urlpatterns = [
    path("", archive.home, name="home"),
    path("healthz", health.alive, name="health"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("pictures/<slug:sha256>.<slug:extension>", pictures.picture, name="picture"),
    path("confirm/<str:token>/", subscribing.confirm, name="confirm"),
    path("leave/<str:token>/", leaving.leave, name="leave"),
    # Who posts to it without the slash is not sent elsewhere: RFC 8058 forbids it, and the POST would be lost.
    path("leave/<str:token>", leaving.leave),
    path("l/<str:token>/", following.follow, name="follow"),
    path("l/<str:token>/<str:reader>/", following.follow, name="follow-as"),
    path("preferences/", preferences.ask, name="ask-preferences"),
    path("preferences/address/<str:token>/", preferences.change, name="change-address"),
    path("preferences/<str:token>/", preferences.page, name="preferences"),
    path("preferences/<str:token>/my-data.json", preferences.data, name="my-data"),
    path("webhooks/<slug:provider>/", webhooks.take, name="webhook"),
    path("<slug:slug>/", archive.publication, name="archive"),
    path("<slug:slug>/subscribe/", subscribing.subscribe, name="subscribe"),
    path("<slug:slug>/subscribe/embedded/", subscribing.embedded, name="subscribe-embedded"),
    path("<slug:slug>/feed.atom", feeds.feed, name="feed"),
    path("<slug:slug>/member/", archive.membership, name="membership"),
    path("<slug:slug>/<int:number>/", archive.digest, name="archive-digest"),
    path("<slug:slug>/<int:number>/friend/", friends.digest, name="friend"),
    path("<slug:slug>/<int:number>/<int:position>/friend/", friends.item, name="friend-item"),
    path("<slug:slug>/<int:number>/card.png", cards.digest, name="archive-card"),
    path("<slug:slug>/<int:number>/<int:position>/", archive.item, name="archive-item"),
    path("<slug:slug>/<int:number>/<int:position>/card.png", cards.item, name="archive-item-card"),
]
