"""What people type, checked before a verb sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms


class Words(forms.CharField):
    """Text with the line ends that we store: browsers send CRLF, and a proof would differ by that alone."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


def area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class Calendar(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class Clock(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class RowForm(forms.Form):
    """What is edited in the list itself."""

    title = forms.CharField(max_length=500)
    teaser = Words(required=False, widget=area(5), help_text="Leave a line blank between paragraphs.")


class ItemForm(RowForm):
    link = forms.URLField(required=False, max_length=2000, assume_scheme="https")
    published_on = forms.DateField(required=False, label="Date", widget=Calendar)
    date_label = forms.CharField(
        required=False, max_length=120, label="Date as printed", help_text="For a range: “June / July 2009”."
    )
    byline = forms.CharField(required=False, max_length=300)
    image_alt = forms.CharField(
        required=False, max_length=1000, label="Picture in words", help_text="For those who cannot see it."
    )
    image_caption = forms.CharField(required=False, max_length=1000, label="Caption")
    tagged = forms.CharField(
        required=False, label="Tags", help_text="Parted by commas. An item joins the campaigns that have its tags."
    )


class EntryForm(RowForm):
    link = forms.URLField(required=False, max_length=2000, assume_scheme="https")
    byline = forms.CharField(required=False, max_length=300)
    image_alt = forms.CharField(required=False, max_length=1000, label="Picture in words")
    image_caption = forms.CharField(required=False, max_length=1000, label="Caption")


class DigestForm(forms.Form):
    """Its fields belong to the form "opening" wherever they stand in the page."""

    date = forms.DateField(widget=Calendar)
    introduction = Words(required=False, widget=area(5), help_text="Leave a line blank between paragraphs.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["form"] = "opening"


class CampaignForm(forms.Form):
    """Days are those of the publication's zone."""

    name = forms.CharField(required=False, max_length=200)
    starts_on = forms.DateField(label="First day", widget=Calendar)
    ends_on = forms.DateField(label="Last day", widget=Calendar)
    live = forms.BooleanField(
        required=False, label="Live coverage", help_text="Its posts go out at once, and wait for no weekly time."
    )
    invitation = Words(
        required=False, widget=area(3), max_length=1000, help_text="What followers are told when they are invited."
    )
    link = forms.URLField(
        required=False, max_length=2000, assume_scheme="https", help_text="Where the invitation leads, if anywhere."
    )


class NewCampaignForm(CampaignForm):
    hashtag = forms.CharField(max_length=80, help_text="One word, such as EITI2016.")
    field_order = ("hashtag",)


class ScheduleForm(forms.Form):
    """Times are on the publication's wall clock; the view sets its zone before it reads them."""

    at = forms.DateTimeField(
        required=False,
        label="Start at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Write the time as a day and an hour, such as 2007-03-31 09:00."},
    )


class WallTime(forms.CharField):
    """A day and an hour as a wall shows them. Which moment that is, where the clocks change, a verb says."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def to_python(self, value: Any) -> Any:
        at = _time(super().to_python(value))
        return at and at.replace(tzinfo=None)


class MoveForm(forms.Form):
    """One of the times that were offered, which are moments; or another one, on the publication's clock."""

    free = forms.CharField(required=False, label="A free time")
    at = WallTime(required=False, label="Another time")

    def clean_free(self) -> datetime | None:
        offered = _time(self.cleaned_data["free"])
        return offered if offered and offered.tzinfo else None

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not given.get("at") and not given.get("free"):
            raise forms.ValidationError("Choose a time.")
        return given


class TimesForm(forms.Form):
    """When a channel posts, beside its weekly times. Minutes, but for the hours of the day."""

    quiet_from = forms.TimeField(required=False, widget=Clock)
    quiet_until = forms.TimeField(required=False, widget=Clock)
    spacing = forms.IntegerField(required=False, min_value=0, max_value=7 * 24 * 60, label="Minutes between two posts")
    late_after = forms.IntegerField(required=False, min_value=0, max_value=60 * 24 * 60, label="Too late after")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and (given["quiet_from"] is None) != (given["quiet_until"] is None):
            raise forms.ValidationError("Quiet hours need both times, or none.")
        return given


def said(form: forms.Form) -> str:
    """Everything that is wrong with a form, in sentences that name the fields."""
    return " ".join(f"{_about(form, name)}{problem}" for name, problems in form.errors.items() for problem in problems)


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError as problem:
        raise forms.ValidationError("Write the time as a day and an hour, such as 2007-03-31 09:00.") from problem


def _about(form: forms.Form, name: str) -> str:
    """Which field a sentence is about; nothing where it is about the whole form."""
    field = form.fields.get(name)
    return f"{field.label or name.capitalize().replace('_', ' ')}: " if field else ""
