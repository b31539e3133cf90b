"""The upload form: one or several files of one export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile


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
        help_text="Patients, appointments, procedures, recalls, treatment plans, coverage, and practice.yaml if you have one; or a single list "
        "of patients with their last visit. CSV or text, as your practice system exports them.",
    )
