"""Wording one post anew, of a digest or of a set: counted as its network counts while it is typed, and never lost."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from publisher import posts, repeated_posts, reviews
from publisher.lifecycle import Refusal
from publisher.models import Post

from .doors import StaffRequest
from .posts import Said, of_text


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    """The post on a page of its own. What is refused comes back as it was typed, with what is wrong with it."""
    post = _post(pk)
    if request.method != "POST":
        return _page(request, post, post.text)
    text = _typed(request)
    if "count" in request.POST:
        return _page(request, post, text)
    try:
        reviews.edit_post(post, text, by=request.user)
    except Refusal as refusal:
        return _page(request, post, text, str(refusal))
    messages.success(request, f"The post on {post.channel} is saved.")
    for sentence in repeated_posts.of_post(post, text):
        messages.warning(request, sentence)
    return redirect(_back(post))


@login_required
@require_POST
def length(request: StaffRequest, pk: int) -> HttpResponse:
    """How long it is as it stands in the form, and what stands against it."""
    post = _post(pk)
    text = _typed(request)
    return render(request, "staff/wordings/_length.html", {"said": _said(post, text), "problems": _against(post, text)})


def _page(request: StaffRequest, post: Post, text: str, refused: str = "") -> HttpResponse:
    context = {
        "post": post,
        "publication": post.channel.publication,
        "said": _said(post, text),
        "problems": [refused] if refused else _against(post, text),
        "back": _back(post),
    }
    return render(request, "staff/wordings/post.html", context, status=422 if refused else 200)


def _against(post: Post, text: str) -> list[str]:
    try:
        posts.check_text(post, text)
    except Refusal as refusal:
        return [str(refusal)]
    return repeated_posts.of_post(post, text)


def _said(post: Post, text: str) -> Said:
    return of_text(post.channel.network, post.channel.account, text, post.link, post.image_alt, post)


def _typed(request: StaffRequest) -> str:
    return request.POST.get("text", "").replace("\r\n", "\n").strip()


def _post(pk: int) -> Post:
    with_all = Post.objects.select_related("channel__publication", "digest__publication", "post_set", "item")
    return get_object_or_404(with_all, pk=pk)


def _back(post: Post) -> str:
    if post.digest_id:
        return f"{reverse('digest', args=[post.digest_id])}#post-{post.pk}"
    return f"{reverse('post-set', args=[post.post_set_id])}#post-{post.pk}" if post.post_set_id else reverse("digests")
