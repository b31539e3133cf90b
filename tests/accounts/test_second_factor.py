"""Who signs in needs more than a password that somebody has read over their shoulder (SEC-07)."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from recare.accounts import attempts, second_factor, totp
from recare.accounts.second_factor import FactorError
from recare.base import db
from recare.practices import change, staff
from recare.practices import practice as practices
from recare.practices.practice import Practice
from tests.conftest import SignIn, new_practice

PASSWORD = "correct horse battery"
RFC_KEY = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"), (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_sec_07_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.code(RFC_KEY, totp.step_of(at), digits=8) == code
    assert totp.code(RFC_KEY, totp.step_of(at)) == code[2:]


@pytest.mark.parametrize(
    ("count", "code"),
    enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]),
)
def test_sec_07_codes_are_those_of_rfc_4226_appendix_d(count: int, code: str) -> None:
    assert totp.code(RFC_KEY, count) == code


@pytest.mark.parametrize(("seconds_off", "fits"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_sec_07_a_telephone_may_be_half_a_minute_off_and_no_more(
    *, now: datetime, seconds_off: int, fits: bool
) -> None:
    said = totp.code(RFC_KEY, totp.step_of(now + timedelta(seconds=seconds_off)))
    assert (totp.fitting_step(RFC_KEY, said, now) is not None) is fits


def test_the_picture_holds_the_address_that_apps_read_and_breaks_no_policy() -> None:
    assert totp.address("ABC", "ada@example.com") == (
        "otpauth://totp/Recare%3Aada%40example.com?secret=ABC&issuer=Recare&digits=6&period=30"
    )
    drawn = totp.picture(RFC_KEY, "ada@example.com")
    assert drawn.startswith("<svg")
    assert "style" not in drawn
    assert re.match(r'<svg viewBox="0 0 (\d+) \1" class="qr">', drawn)  # scaled whole: a cropped one cannot be read


class Ada:
    """An owner with a telephone. Codes are of the real clock, as the door reads it."""

    def __init__(self, practice: Practice, now: datetime, role: str = "owner") -> None:
        self.email = f"ada-{role}-{practice.slug}@example.com"
        self.id = staff.create_user(self.email, PASSWORD, role, practice.slug, now)
        self.key, self.papers = totp.new_key(), list[str]()
        self._used = 0

    def enrols(self) -> None:
        self.papers = second_factor.enrol(
            self.id, self.key, totp.code(self.key, totp.step_of(datetime.now(UTC)) - 1), datetime.now(UTC)
        )

    def code(self) -> str:
        """A fresh code: of this step, then of the next."""
        self._used = max(totp.step_of(datetime.now(UTC)), self._used + 1)
        return totp.code(self.key, self._used)

    def gives_password(self, client: Client, next_page: str = "") -> str:
        return client.post("/sign-in/", {"email": self.email, "password": PASSWORD, "next": next_page}).headers.get(
            "Location", ""
        )


@pytest.fixture
def ada(practice: Practice, now: datetime) -> Ada:
    return Ada(practice, now)


def keys_on(page: str) -> list[str]:
    return [found.replace(" ", "") for found in re.findall(r'class="key">([A-Z2-7 ]+)<', page)]


def is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def test_sec_07_a_password_alone_does_not_let_in_who_has_a_second_factor(client: Client, ada: Ada) -> None:
    ada.enrols()
    assert ada.gives_password(client, "/settings/") == "/sign-in/code/"
    assert not is_in(client)
    answer = client.post("/sign-in/code/", {"code": ada.code()})
    assert answer.headers["Location"] == "/settings/"
    assert is_in(client)


def test_sec_07_the_code_page_asks_for_the_password_first(client: Client, ada: Ada) -> None:
    ada.enrols()
    assert client.get("/sign-in/code/").headers["Location"] == "/sign-in/"
    assert client.post("/sign-in/code/", {"code": ada.code()}).headers["Location"] == "/sign-in/"
    ada.gives_password(client)
    session = client.session
    session["half_in"] = [ada.id, session["half_in"][1] - 601, ""]  # went for a coffee
    session.save()
    assert client.post("/sign-in/code/", {"code": ada.code()}).headers["Location"] == "/sign-in/"
    assert not is_in(client)


def test_sec_07_a_code_that_was_read_along_is_not_good_again(ada: Ada) -> None:
    ada.enrols()
    said, at = ada.code(), datetime.now(UTC)
    assert second_factor.shown(ada.id, said, at)
    assert not second_factor.shown(ada.id, said, at)
    earlier = totp.code(ada.key, totp.step_of(at) - 1)  # inside the drift, but older than what was used
    assert not second_factor.shown(ada.id, earlier, at)


def test_sec_07_after_eight_wrong_codes_even_the_right_one_waits(client: Client, ada: Ada) -> None:
    ada.enrols()
    ada.gives_password(client)
    for _ in range(attempts.PER_ACCOUNT):
        assert client.post("/sign-in/code/", {"code": "000000"}).status_code == 422
    ada.gives_password(client)  # the password does not buy further tries
    assert client.post("/sign-in/code/", {"code": ada.code()}).status_code == 422
    assert client.post("/sign-in/code/", {"code": ada.papers[0]}).status_code == 422
    assert not is_in(client)
    with db.scope(0):
        told = db.value(
            "SELECT count(*) FROM audit_entry WHERE practice_id = 0 AND verb = 'gave a wrong second factor' AND object = %(who)s",
            who=f"staff:{ada.id}",
        )
    assert told == attempts.PER_ACCOUNT


def test_sec_07_a_recovery_code_opens_once_however_it_is_typed(client: Client, ada: Ada) -> None:
    ada.enrols()
    assert len(set(ada.papers)) == 10
    ada.gives_password(client)
    assert client.post("/sign-in/code/", {"code": ada.papers[0].upper().replace("-", " ")}).status_code == 302
    assert is_in(client)
    ada.gives_password(client)
    assert client.post("/sign-in/code/", {"code": ada.papers[0]}).status_code == 422
    factor = second_factor.of(ada.id)
    assert factor is not None
    assert factor.codes_left == 9


def test_sec_07_a_practice_with_real_patients_asks_everybody_for_it_and_a_rehearsal_nobody(committed: None) -> None:
    real, rehearsal = new_practice(is_rehearsal=False), new_practice()
    assert change.factor_roles_of(real) == list(staff.ROLES)
    assert change.factor_roles_of(rehearsal) == []


def test_sec_07_who_must_and_has_none_sets_it_up_before_seeing_anything(
    client: Client, practice: Practice, ada: Ada, now: datetime
) -> None:
    change.secure(practice, 500, ["owner", "manager"], "boss@example.com", now)
    ada.gives_password(client)
    assert client.get("/patients/").headers["Location"] == "/your-sign-in/?asked=1"
    assert client.get("/patients/", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/your-sign-in/?asked=1"
    page = client.get("/your-sign-in/?asked=1").content.decode()
    assert "<svg" in page
    [key] = keys_on(page)
    assert keys_on(client.get("/your-sign-in/").content.decode()) == [
        key
    ]  # a reload does not spoil what the app has read
    assert client.post("/your-sign-in/second-factor/", {"code": "000000"}).status_code == 422
    assert client.get("/patients/").status_code == 302
    told = client.post("/your-sign-in/second-factor/", {"code": totp.code(key, totp.step_of(datetime.now(UTC)))})
    assert len(re.findall(r"<code>[a-z2-7-]{19}</code>", told.content.decode())) == 10
    assert client.get("/patients/").status_code == 200
    assert "<li><code>" not in client.get("/your-sign-in/").content.decode()  # shown once


def test_sec_07_roles_that_are_not_asked_sign_in_as_before(client: Client, practice: Practice, now: datetime) -> None:
    change.secure(practice, 500, ["owner"], "boss@example.com", now)
    desk = Ada(practice, now, "front_desk")
    assert desk.gives_password(client) == "/"
    assert client.get("/patients/").status_code == 200


def test_sec_07_a_session_from_before_the_second_factor_signs_in_anew(
    client: Client, practice: Practice, ada: Ada, now: datetime
) -> None:
    ada.gives_password(client)
    ada.enrols()
    change.secure(practice, 500, ["owner"], "boss@example.com", now)
    assert client.get("/settings/").headers["Location"].startswith("/sign-in/?next=")
    assert ada.gives_password(client) == "/sign-in/code/"


def test_sec_07_nobody_changes_a_second_factor_on_a_computer_left_open(client: Client, ada: Ada) -> None:
    ada.enrols()
    ada.gives_password(client)
    client.post("/sign-in/code/", {"code": ada.code()})
    assert client.post("/your-sign-in/second-factor/change/", {"code": "000000", "what": "remove"}).status_code == 422
    assert second_factor.of(ada.id) is not None
    with pytest.raises(FactorError, match="already"):
        second_factor.enrol(ada.id, ada.key, totp.code(ada.key, totp.step_of(datetime.now(UTC))), datetime.now(UTC))
    told = client.post("/your-sign-in/second-factor/change/", {"code": ada.papers[0], "what": "codes"}).content.decode()
    fresh = re.findall(r"<code>([a-z2-7-]{19})</code>", told)
    assert not second_factor.shown(ada.id, ada.papers[1], datetime.now(UTC))  # the old paper is worth nothing
    assert client.post("/your-sign-in/second-factor/change/", {"code": fresh[0], "what": "remove"}).status_code == 302
    assert second_factor.of(ada.id) is None


def test_sec_07_an_owner_resets_it_for_their_own_people_only(
    practice: Practice, as_role: SignIn, now: datetime
) -> None:
    owner, desk = as_role("owner"), Ada(practice, now, "front_desk")
    desk.enrols()
    [member] = db.values("SELECT id FROM membership WHERE staff_id = %(s)s", s=desk.id)
    other = new_practice()
    staff.create_user(desk.email, "", "owner", other.slug, now)
    owner.post(f"/settings/people/{member}/second-factor/")
    assert second_factor.of(desk.id) is not None  # they also keep another practice's patients
    db.run("UPDATE membership SET ended_at = %(n)s WHERE practice_id = %(p)s", n=now, p=other.id)
    assert as_role("manager").post(f"/settings/people/{member}/second-factor/").status_code == 403
    owner.post(f"/settings/people/{member}/second-factor/")
    assert second_factor.of(desk.id) is None
    who = db.value("SELECT actor FROM audit_entry WHERE practice_id = %(p)s AND verb = 'removed a second factor'", p=practice.id)  # fmt: skip
    assert who.startswith("owner-")


def test_sec_07_whoever_runs_the_installation_resets_it_and_the_trail_says_so(ada: Ada, now: datetime) -> None:
    ada.enrols()
    assert staff.reset_second_factor(ada.email.upper(), "operator ben", now)
    assert not staff.reset_second_factor(ada.email, "operator ben", now)
    with db.scope(0):
        assert db.value(
            "SELECT actor FROM audit_entry WHERE practice_id = 0 AND verb = 'removed a second factor' AND object = %(who)s", who=f"staff:{ada.id}"
        ) == "operator ben"  # fmt: skip
    with pytest.raises(LookupError, match="Nobody signs in"):
        staff.reset_second_factor("nobody@example.com", "operator ben", now)


def test_sec_07_the_owner_says_who_needs_it_and_the_trail_keeps_both_answers(
    practice: Practice, as_role: SignIn
) -> None:
    asked = {"export_limit": "200", "factor_roles": ["owner", "auditor"]}
    assert as_role("manager").post("/settings/security/", asked).status_code == 403
    owner = as_role("owner")
    assert owner.post("/settings/security/", asked | {"export_limit": "501"}).status_code == 422
    owner.post("/settings/security/", asked)
    kept = practices.get(practice.id)
    assert (kept.export_limit, kept.second_factor_roles) == (200, ["owner", "auditor"])
    detail = db.value("SELECT detail FROM audit_entry WHERE practice_id = %(p)s AND verb = 'changed security settings'", p=practice.id)  # fmt: skip
    assert detail == {"export_limit": [500, 200], "second_factor_roles": [[], ["owner", "auditor"]]}


def test_with_another_installation_key_paper_still_opens_and_the_app_says_why_not(client: Client, ada: Ada) -> None:
    ada.enrols()
    foreign = Fernet(Fernet.generate_key()).encrypt(ada.key.encode())
    db.run("UPDATE second_factor SET secret = %(secret)s WHERE staff_id = %(s)s", secret=foreign, s=ada.id)
    ada.gives_password(client)
    assert "Use a recovery code" in client.post("/sign-in/code/", {"code": ada.code()}).content.decode()
    assert client.post("/sign-in/code/", {"code": ada.papers[0]}).status_code == 302
