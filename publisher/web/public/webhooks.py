"""What a mail provider tells of our letters, at /webhooks/mailgun/ and the like, signed with a secret.

django-anymail checks the signature and reads the event. Whom it is about is told by the token that we gave along with
the letter and by nothing else: so that even a well signed event that somebody made up changes nothing. A repetition
does not, either: providers repeat for hours, with the time of the first try, so its age says nothing.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from anymail.exceptions import AnymailError, AnymailNotSupportedWarning, AnymailWebhookValidationFailure
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import bounces
from ...bounces import events
from ...delivery.parcels import METADATA

logger = logging.getLogger(__name__)

#: What anymail stumbles over in an event that is not as it knows them; also brackets a hundred thousand deep.
ODD = (AnymailError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)

#: anymail's view, and its name for the secret. A "webhook_secret" is "user:password" in the address that is called.
VIEWS = {
    "brevo": ("anymail.webhooks.brevo.BrevoTrackingWebhookView", "webhook_secret"),
    "mailgun": ("anymail.webhooks.mailgun.MailgunTrackingWebhookView", "webhook_signing_key"),
    "mailjet": ("anymail.webhooks.mailjet.MailjetTrackingWebhookView", "webhook_secret"),
    "postmark": ("anymail.webhooks.postmark.PostmarkTrackingWebhookView", "webhook_secret"),
    "resend": ("anymail.webhooks.resend.ResendTrackingWebhookView", "signing_secret"),
    "sendgrid": ("anymail.webhooks.sendgrid.SendGridTrackingWebhookView", "tracking_webhook_verification_key"),
    "sparkpost": ("anymail.webhooks.sparkpost.SparkPostTrackingWebhookView", "webhook_secret"),
}


@csrf_exempt
@never_cache
@require_http_methods(["HEAD", "POST"])
def take(request: HttpRequest, provider: str) -> HttpResponse:
    """200 for what is signed, whatever it says; 403 for all else, and where no secret is set; 400 for what is torn."""
    if provider not in VIEWS or provider != settings.MAIL_PROVIDER.strip().lower():
        raise Http404
    if request.method == "HEAD":  # asked when the address is entered at the provider
        return HttpResponse()
    try:
        told = list(_events(request, provider))
    except AnymailWebhookValidationFailure:
        return _no(403, "This is not signed as it should be.")
    except ODD as problem:
        logger.warning("an event of %s could not be read: %s", provider, type(problem).__name__)
        return _no(400, "This could not be read.")
    for delivery, report in told:
        bounces.note(delivery, report, provider)
    return HttpResponse()


def _events(request: HttpRequest, provider: str) -> Iterator[tuple[Any, Any]]:
    """Each delivery that is told of, and what is told."""
    view = _view(provider)
    view.run_validators(request)
    for event in _parsed(view, request):
        token = event.metadata.get(METADATA) if isinstance(event.metadata, dict) else None
        delivery = bounces.delivery_of(f"bounces+{token}@{provider}") if isinstance(token, str) else None
        if delivery:
            says = " ".join(str(part) for part in (event.mta_response, event.description) if part)
            reason = event.reject_reason and str(event.reject_reason)
            yield delivery, events.report(provider, str(event.event_type), reason, says, event.esp_event)


def _parsed(view: Any, request: HttpRequest) -> list[Any]:
    """The events of one body; of many together those that can be read, so that an odd one costs no other."""
    try:
        return list(view.parse_events(request))
    except ODD:
        several = json.loads(request.body)
        if not isinstance(several, list) or len(several) < 2:
            raise
    read = [event for one in several for event in _alone(view, request, one)]
    if not read:
        raise ValueError("none of them")
    logger.warning("of %s events that came together %s could be read", len(several), len(read))
    return read


def _alone(view: Any, request: HttpRequest, event: Any) -> list[Any]:
    whole = SimpleNamespace(body=json.dumps([event]).encode(), headers=request.headers, META=request.META)
    try:
        return list(view.parse_events(whole))
    except ODD:
        return []


def _view(provider: str) -> Any:
    """anymail's, with our secret. Without one nothing is ever signed as it should be."""
    place, name = VIEWS[provider]
    secret = settings.MAIL_PROVIDER_WEBHOOK
    if not secret or (name == "webhook_secret" and ":" not in secret):
        raise AnymailWebhookValidationFailure("no secret, or none of the form user:password")
    with warnings.catch_warnings():
        # Anymail tests SendGrid no more, and the guide says so.
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        return import_string(place)(**{name: secret})


def _no(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
