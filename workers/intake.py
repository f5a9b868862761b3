"""The queue `intake`: asking sources, fetching the pictures they name, and reading the mail that came back."""

from __future__ import annotations

from celery import shared_task

from publisher import sources, uploads
from publisher.bounces import mailbox
from publisher.models import Item, Source


@shared_task(name="workers.intake.poll")
def poll(source_id: int) -> None:
    source = Source.due().select_related("publication").filter(pk=source_id).first()
    if source:
        sources.poll(source)


@shared_task(name="workers.intake.picture")
def picture(item_id: int) -> None:
    item = Item.objects.filter(pk=item_id, picture=None).exclude(image_url="").first()
    if item:
        sources.fetch_picture(item)


@shared_task(name="workers.intake.bounces")
def bounces(mailbox_id: int) -> None:
    mailbox.read_due(mailbox_id)


@shared_task(name="workers.intake.upload")
def upload(upload_id: int) -> None:
    found = uploads.due().select_related("publication", "by").filter(pk=upload_id).first()
    if found:
        uploads.take(found)
