"""The forms of an import: the files, and what their columns mean."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms

from recare.sources.csv import fields
from recare.sources.csv.dates import Order
from recare.sources.csv.remembered import Choice, labels

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import QueryDict

    from recare.practices.practice import Practice

ORDERS = tuple(str(order) for order in Order)


class ManyFilesInput(forms.ClearableFileInput):
    """A file input that takes several files."""

    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Several uploaded files; each is checked as one."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        """Return the files, at least one."""
        one = super().clean
        return [one(file, initial) for file in (data if isinstance(data, list | tuple) and data else [data])]


class UploadForm(forms.Form):
    """Choose the files of an export."""

    export = ManyFilesField(
        label="Files",
        allow_empty_file=True,  # the dry run says which one is empty
        help_text="Patients, appointments, procedures, recalls, treatment plans, coverage, and practice.yaml if you have one; or a single list "
        "of patients with their last visit. CSV or text, as your practice system exports them.",
    )
    dated = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-dates-of": "id_export"}))

    def clean_dated(self) -> dict[str, float]:
        """Return when each file was last written, in seconds, as far as the browser says."""
        with suppress(ValueError, TypeError, AttributeError):
            said = json.loads(self.cleaned_data["dated"])
            return {str(name): float(at) / 1000 for name, at in said.items()}
        return {}


@dataclass(slots=True)
class Said:
    """What a person has said about one file's columns. ``changed``: whether it differs from what the page showed."""

    headers: list[str]
    kind: str
    choices: dict[str, Choice] = field(default_factory=dict)
    changed: bool = False
    errors: list[str] = field(default_factory=list)


def said(posted: QueryDict, number: int, file: dict[str, Any]) -> Said:
    """Read what was said about the ``number``-th file of a plan, and put it into the plan's own columns, so that a refused form shows it."""
    kind = fields.kind_named(posted.get(f"k{number}", file["kind"])) or fields.PATIENTS
    found = Said(file["headers"], kind.name, changed=kind.name != file["kind"])
    if found.changed:  # what was chosen for one kind of file means nothing in another
        return found
    alone = fields.understood(kind, list(map(fields.normalise, file["headers"])))
    for place, (label, column) in enumerate(zip(labels(file["headers"]), file["columns"], strict=True)):
        meant = posted.get(f"c{number}-{place}", column["field"])
        meant = meant if meant in kind.by_name else ""
        order = posted.get(f"o{number}-{place}", column["chosen_order"])
        order = order if order in ORDERS else ""
        found.changed = found.changed or (meant, order) != (column["field"], column["chosen_order"])
        by_header = alone[place].name if place in alone else ""
        found.choices[label] = Choice(meant if meant != by_header else None, order)
        column["field"], column["chosen_order"] = meant, order
    found.errors = _twice(kind, file)
    return found


def _twice(kind: fields.Kind, file: dict[str, Any]) -> list[str]:
    users: dict[str, list[str]] = {}
    for column in file["columns"]:
        if column["field"]:
            users.setdefault(column["field"], []).append(f"“{column['label']}”")
    return [
        f"{file['name']}: {' and '.join(headers)} cannot both be “{kind.field(name).label}”. Leave one of them unused."
        for name, headers in users.items()
        if len(headers) > 1
    ]


def as_of(posted: QueryDict, plan: dict[str, Any], practice: Practice) -> datetime | None:
    """Return when a person says the appointments were exported, or None when they leave what the page showed."""
    text = posted.get("as_of", "")
    if not text or text == plan.get("as_of_local", ""):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(text).replace(tzinfo=practice.zone)
    return None
