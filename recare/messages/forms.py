"""What staff type about templates and senders."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from recare.base import phones
from recare.channels.email.mailbox import Box
from recare.channels.email.transport import Server
from recare.messages import preview

CHANNELS: Final = (
    ("sms", "text message"), ("email", "e-mail"), ("call", "call script"), ("letter", "letter"), ("portal", "portal message"),
)  # fmt: skip
LANGUAGES: Final = (("en", "English"), ("es", "Español"))
CLASSES: Final = (
    ("R", "recall: please come back"), ("A", "about a booked visit"), ("P", "promotion: has an offer or a price"),
    ("T", "somebody else's product or money"), ("S", "answer to the person's own words"),
)  # fmt: skip
_CODE: Final = {"class": "code", "spellcheck": "true", "autocomplete": "off"}


class NewTemplateForm(forms.Form):
    """Which template to write."""

    slug = forms.RegexField(
        r"^[a-z][a-z0-9_]*$", max_length=60, label="Short name", help_text="As playbooks call it, such as winback_text.",
        error_messages={"invalid": "Small letters, digits and underscores, beginning with a letter."},
    )  # fmt: skip
    channel = forms.ChoiceField(choices=CHANNELS)
    language = forms.ChoiceField(choices=LANGUAGES)


class TemplateForm(forms.Form):
    """The words of one template."""

    name = forms.CharField(max_length=80, required=False, help_text="For your team; patients never see it.")
    message_class = forms.ChoiceField(
        choices=CLASSES, label="Kind", help_text="A discount word makes a recall a promotion, whatever you choose."
    )
    subject = forms.CharField(max_length=200, required=False)
    body = forms.CharField(max_length=20_000, strip=False, widget=forms.Textarea(_CODE | {"rows": 10}), label="Text")
    mjml = forms.CharField(
        max_length=60_000, required=False, strip=False, widget=forms.Textarea(_CODE | {"rows": 16}), label="E-mail layout (MJML)",
        help_text="What most readers see. The text above is for those who read without layout.",
    )  # fmt: skip
    reply_question = forms.CharField(
        max_length=40,
        required=False,
        label="Question it asks",
        help_text="Such as book: an exact yes to it lets the conversation go on by itself.",
    )
    person = forms.ChoiceField(choices=tuple(preview.PEOPLE.items()), required=False, label="Show it as it reaches")

    def __init__(self, *args: Any, channel: str, **more: Any) -> None:
        super().__init__(*args, **more)
        if channel != "email":
            del self.fields["subject"], self.fields["mjml"]
        if channel != "sms":
            del self.fields["reply_question"]


USES: Final = (("R", "recall"), ("P", "promotion"), ("A", "booked visits"))


class SenderForm(forms.Form):
    """What the practice sends from. The password is kept encrypted and never shown again."""

    channel = forms.ChoiceField(
        choices=[("email", "e-mail"), ("sms", "text message"), ("letter", "letter"), ("portal", "portal message")]
    )
    provider = forms.ChoiceField(choices=[("smtp", "a mail server (SMTP)"), ("sandbox", "the sandbox: reaches nobody")])
    address = forms.CharField(max_length=254, label="From", help_text="The address or number that patients see.")
    host = forms.CharField(max_length=253, required=False, label="Mail server", help_text="Such as smtp.example.com.")
    port = forms.IntegerField(min_value=1, max_value=65535, required=False, initial=587)
    security = forms.ChoiceField(
        choices=[("starttls", "STARTTLS (usual, port 587)"), ("tls", "TLS from the start (port 465)"), ("none", "none (this machine only)")],
        required=False,
    )  # fmt: skip
    user = forms.CharField(max_length=254, required=False, widget=forms.TextInput({"autocomplete": "off"}))
    password = forms.CharField(
        max_length=500, required=False, strip=False, widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Kept encrypted. Leave empty to keep the one there is.",
    )  # fmt: skip
    auth_ok = forms.BooleanField(required=False, label="SPF, DKIM and DMARC of the domain are set and pass")
    registered = forms.BooleanField(
        required=False, label="The number is registered with the carriers (10DLC or toll-free)"
    )
    use_cases = forms.MultipleChoiceField(
        choices=USES, required=False, widget=forms.CheckboxSelectMultiple, label="Registered for"
    )
    baa_party = forms.CharField(
        max_length=120,
        required=False,
        label="BAA with",
        help_text="The company that signed the agreement on patient data.",
    )
    baa_from = forms.DateField(required=False, label="BAA from", widget=forms.DateInput({"type": "date"}))
    baa_until = forms.DateField(
        required=False, label="BAA until", widget=forms.DateInput({"type": "date"}), help_text="Empty: no end agreed."
    )

    def clean(self) -> dict[str, Any]:
        """Check what only makes sense together."""
        data = super().clean() or {}
        if data.get("provider") == "smtp":
            if data.get("channel") != "email":
                self.add_error("provider", "A mail server sends e-mail only.")
            self._check_server(data)
        self._check_address(data)
        if data.get("baa_from") and data.get("baa_until") and data["baa_until"] < data["baa_from"]:
            self.add_error("baa_until", "The agreement ends before it begins.")
        return data

    def _check_server(self, data: dict[str, Any]) -> None:
        try:
            Server.of(
                {
                    "host": data.get("host", ""),
                    "port": data.get("port") or 587,
                    "security": data.get("security") or "starttls",
                }
            )
        except ValueError as error:
            self.add_error("host" if not data.get("host") else "security", str(error))

    def _check_address(self, data: dict[str, Any]) -> None:
        address = data.get("address", "")
        if data.get("channel") == "email":
            try:
                data["address"] = forms.EmailField().clean(address.lower())
            except forms.ValidationError:
                self.add_error("address", "That is no e-mail address.")
        elif data.get("channel") == "sms":
            found = phones.parse(address)
            if found is None:
                self.add_error("address", "That is no telephone number. Write it with its area code.")
            else:
                data["address"] = found.e164


class MailboxForm(forms.Form):
    """Where answers to a sender's e-mail arrive. The password is kept encrypted and never shown again."""

    host = forms.CharField(max_length=253, label="Mail server", help_text="Such as imap.example.com.")
    security = forms.ChoiceField(
        choices=[
            ("tls", "TLS from the start (usual, port 993)"),
            ("starttls", "STARTTLS (port 143)"),
            ("none", "none (this machine only)"),
        ]
    )
    port = forms.IntegerField(min_value=1, max_value=65535, initial=993)
    user = forms.CharField(max_length=254, widget=forms.TextInput({"autocomplete": "off"}))
    password = forms.CharField(
        max_length=500, required=False, strip=False, widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Kept encrypted. Leave empty to keep the one there is. Some providers want an app password made for this.",
    )  # fmt: skip
    folder = forms.CharField(max_length=200, initial="INBOX", help_text="Only this folder is read.")

    def __init__(self, data: Any, kept: dict[str, Any]) -> None:
        super().__init__(data, initial={name: value for name, value in kept.items() if name != "password"})
        self._kept = kept

    def clean(self) -> dict[str, Any]:
        """Keep the password there is, but hand it to no other server; check what only makes sense together."""
        data = super().clean() or {}
        if not data.get("password"):
            if self._kept.get("host") == data.get("host"):
                data["password"] = self._kept.get("password", "")
            if not data.get("password"):
                self.add_error("password", "Enter the password of this mailbox.")
        if not self.errors:
            try:
                Box.of(data)
            except ValueError as error:
                self.add_error("security", str(error))
        return data
