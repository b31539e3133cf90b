"""A stranger practice sees nothing: by no address, no form, no job and no line of SQL.

Alice owns one practice, Charlie another. Everything of Alice's carries a mark that no other practice has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import product
from typing import Any, Final

import pytest
from django.db import transaction
from django.db.utils import DatabaseError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from recare.base import db
from recare.jobs import engine
from tests.walls.furnished import NOW, PASSWORD, Furnished, furnish

# Doors that need no role: each with its reason. Everything else must carry @staff.
OPEN: Final = {
    "sign-in/": "whoever is not in yet",
    "sign-in/code/": "whoever has given a password and owes the second factor; shows nothing",
    "sign-out/": "ends a session, whosever",
    "your-sign-in/": "asks for a sign-in; whatever the role, also while the practice waits for a second factor",
    "your-sign-in/password/": "asks for a sign-in and for the password; changes only the person's own",
    "your-sign-in/second-factor/": "asks for a sign-in; sets up only the person's own",
    "your-sign-in/second-factor/change/": "asks for a sign-in and for a code; changes only the person's own",
    "choose-practice/": "asks for a sign-in and knows only the person's own practices",
    "health/": "a watchdog has no sign-in; answers one word",
    "join/<slug:slug>/": "a practice's public form; takes a number or an address, shows nothing of anybody",
    "join/confirm/<token>": "the link of a confirmation: the token is the key, it names nobody",
}
LINKS: Final = "p/"  # patients' own links: the token is the key
NO_POLICY: Final = {
    "link_route": "read before the practice is known; holds hashes of tokens and nothing of a person",
    "sender_route": "read before the practice is known; holds the practices' own numbers and addresses",
    "membership": "read before a practice is chosen; people of the practice, no patients",
}
OTHER_KEYS: Final = {
    "link_route_pkey": "a token is looked up before its practice is known",
    "sender_route_pkey": "a number is looked up before its practice is known",
    "membership_pkey": "memberships are no rows of a chart",
    "membership_once": "a person's memberships are asked for by person",
}
BLANK: Final = {
    "templates/<str:slug>/<str:channel>/<str:language>/": "a name that nobody has used yet is offered to be written",
    "campaigns/<int:campaign_id>/preview/messages/": "nothing is looked up without the seal of a rehearsal",
    "counted/<str:what>/": "names a kind of figures that every practice has; what is shown is the stranger's own",
}


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from addresses(entry, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


PATTERNS: Final = list(addresses(get_resolver()))


@pytest.fixture(scope="module")
def unblocked(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    from django.db import connections

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        connections.close_all()


@pytest.fixture(scope="module")
def alice(unblocked: None) -> Furnished:
    return furnish("Qzalice")


@pytest.fixture(scope="module")
def charlie(unblocked: None) -> Furnished:
    return furnish("Qzcharlie", people=4)


def signed_in(who: Furnished) -> Client:
    client = Client()
    answer = client.post("/sign-in/", {"email": who.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def named(pattern: str, who: Furnished) -> list[str]:
    """Every address of a pattern, filled with what ``who`` has; an unknown parameter fails, so that nobody forgets to teach us."""
    if pattern == "exports/new/":
        return [f"/exports/new/?kind=evidence&point={point}" for point in who.names["point_id"]]
    if pattern == "evidence/":  # names its number behind the question mark
        return [f"/evidence/?point={point}" for point in who.names["point_id"]]
    path = "/" + re.sub(r"\\(.)", r"\1", pattern.removeprefix("^").removesuffix("$"))
    path = re.sub(r"\(\?P<kind>csv\|json\)", "csv", path)
    parts = re.findall(r"<(?:\w+:)?(\w+)>", path)
    choices = [_choices(part, pattern, who) for part in parts]
    found = []
    for chosen in product(*choices):
        filled = path
        for part, value in zip(parts, chosen, strict=True):
            filled = re.sub(rf"<(\w+:)?{part}>", str(value), filled, count=1)
        found.append(filled)
    return found


def _choices(part: str, pattern: str, who: Furnished) -> list[Any]:
    if part in who.names:
        return who.names[part]
    fixed = {
        "slug": [who.slug],
        "channel": ["sms"],
        "what": ["today", "segments"],
        "language": ["en"],
        "kind": ["json", "pdf"] if "evidence" in pattern else ["csv", "json"],
    }
    if part == "token":
        return [who.tokens[pattern.split("/")[1]]] if pattern.startswith(LINKS) else who.names["upload"]
    assert part in fixed, f"{pattern}: say in this test what <{part}> may be"
    return fixed[part]


STAFF: Final = [pattern for pattern, _ in PATTERNS if pattern not in OPEN and not pattern.startswith(LINKS)]


def checksum(practice_id: int) -> dict[str, str]:
    """One sum a table over everything a practice owns."""
    tables = [*practice_tables(), *NO_POLICY]
    sums = [
        f"SELECT '{table}', coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t WHERE practice_id = %(p)s"
        for table in tables
    ]
    sums.append("SELECT 'practice', md5(t::text) FROM practice t WHERE id = %(p)s")
    with db.scope(practice_id):
        return dict(db.tuples(" UNION ALL ".join(sums), p=practice_id))


def practice_tables() -> list[str]:
    return db.values(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'practice_id' AND NOT a.attisdropped "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> ALL(%(other)s) ORDER BY 1",
        other=list(NO_POLICY),
    )


# ---------------------------------------------------------------------------------------------------------- addresses


def test_every_address_has_the_staff_door_or_is_open_for_a_stated_reason() -> None:
    unguarded = {p for p, entry in PATTERNS if not getattr(entry.callback, "roles", None)}
    assert {p for p in unguarded if not p.startswith(LINKS)} == OPEN.keys()


def test_somebody_without_a_sign_in_is_sent_to_it_from_everywhere(alice: Furnished) -> None:
    nobody, before = Client(), checksum(alice.practice.id)
    for path in (named(pattern, alice)[0] for pattern in STAFF):
        for answer in (nobody.get(path), nobody.post(path, {})):
            told = answer.headers.get("Location", "")
            assert answer.status_code == 405 or told.startswith("/sign-in/?next="), (path, answer.status_code)
            assert alice.mark not in answer.content.decode()
    assert checksum(alice.practice.id) == before


def test_alice_herself_reaches_what_the_walk_asks_for(alice: Furnished) -> None:
    """Without this the walk below could knock at doors that lead nowhere."""
    client, shown = signed_in(alice), 0
    for pattern in STAFF:
        for path in named(pattern, alice):
            answer = client.get(path)
            assert answer.status_code in {200, 302, 405, 409}, (path, answer.status_code)
            shown += alice.mark in answer.content.decode(errors="replace")
    assert shown > 25


def test_a_stranger_who_names_alices_rows_sees_and_changes_nothing(alice: Furnished, charlie: Furnished) -> None:
    client, before = signed_in(charlie), checksum(alice.practice.id)
    for pattern in STAFF:
        for path in named(pattern, alice):
            owned = "<" in pattern.replace("<kind>", "")
            for answer in (client.get(path, follow=True), client.post(path, {}, follow=True)):
                refused = answer.status_code in {400, 404, 405, 409} or answer.redirect_chain
                assert refused or not owned or pattern in BLANK, (path, answer.status_code)
                assert alice.mark.lower() not in answer.content.decode(errors="replace").lower().replace(
                    alice.slug, ""
                ), path
    assert checksum(alice.practice.id) == before


def test_a_stranger_who_asks_lists_for_alices_rows_gets_his_own(alice: Furnished, charlie: Furnished) -> None:
    client = signed_in(charlie)
    numbers = {
        name: alice.names[f"{name}_id"][0] for name in ("patient", "campaign", "message", "booking", "call", "sender")
    }
    asked = numbers | {
        "before": 10**9,
        "page": 1,
        "after": 0,
        "practice": alice.practice.id,
        "practice_id": alice.practice.id,
    }
    for path in (named(pattern, alice)[0] for pattern in STAFF if "<" not in pattern.replace("<kind>", "")):
        answer = client.get(path, asked, follow=True)
        assert alice.mark not in answer.content.decode(errors="replace"), path


def test_a_stranger_cannot_choose_alices_practice(alice: Furnished, charlie: Furnished) -> None:
    client = signed_in(charlie)
    client.post("/choose-practice/", {"practice": alice.practice.id})
    assert alice.mark not in client.get("/patients/").content.decode()
    assert charlie.mark in client.get("/patients/").content.decode()


class Page(HTMLParser):
    """Links and the forms that are posted, with what their fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._open: dict[str, str] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form":
            self._open = {}
            if given.get("method", "").lower() == "post":
                self.forms.append((given.get("action", ""), self._open))
        elif self._open is not None and given.get("name"):
            self._field(tag, given)
        elif (
            tag == "option"
            and self._open is not None
            and self._select
            and ("selected" in given or not self._open[self._select])
        ):
            self._open[self._select] = given.get("value", "")

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._open is not None
        name, kind = given["name"], given.get("type", "text")
        if tag == "select":
            self._select = name
            self._open[name] = ""
        elif kind in {"radio", "checkbox"}:
            if "checked" in given or name not in self._open:
                self._open[name] = given.get("value", "on")
        else:
            self._open[name] = given.get("value", "") or _PLAUSIBLE.get(kind, "because")


LAST: Final = {"/settings/security/"}
"""After it the stranger's own practice asks for a second factor, and nothing more would be tried."""
_PLAUSIBLE: Final = {
    "date": "2027-03-01",
    "datetime-local": "2027-03-01T10:00",
    "number": "1",
    "email": "someone@example.com",
    "time": "10:00",
}


def forms_of(who: Furnished) -> list[tuple[str, dict[str, str]]]:
    """Every kind of form on the pages that ``who`` can come to by links, twice at most, with the values the pages hold."""
    client, kinds, waiting = signed_in(who), Counter[str](), ["/"]
    found: dict[tuple[str, tuple[str, ...], int], tuple[str, dict[str, str]]] = {}
    seen = set(waiting)
    while waiting:
        path = waiting.pop(0)
        kinds[kind := re.sub(r"\d+|_\w+|=\w+", "", path)] += 1
        if kinds[kind] > 2:
            continue
        answer = client.get(path)
        if answer.status_code != 200 or not answer.headers["Content-Type"].startswith("text/html"):
            continue
        page = Page()
        page.feed(answer.content.decode())
        links = [link.split("#")[0] for link in page.links if re.match(r"/(?!/|static/|p/)", link)]
        waiting += [link for link in dict.fromkeys(links) if link not in seen]
        seen.update(links)
        for action, fields in page.forms:
            target = action or path
            found.setdefault((re.sub(r"\d+", "", target), tuple(sorted(fields)), kinds[kind]), (target, fields))
    return list(found.values())


def test_a_stranger_who_posts_alices_own_forms_changes_nothing_of_hers(alice: Furnished, charlie: Furnished) -> None:
    forms = forms_of(alice)
    assert len(forms) > 25, [target for target, _ in forms]
    client, before = signed_in(charlie), checksum(alice.practice.id)
    for target, fields in sorted(forms, key=lambda form: form[0] in LAST):
        if target.startswith("/sign-out/"):
            continue
        sent = {name: value.replace(alice.mark, "Echo") for name, value in fields.items()}
        answer = client.post(target, sent, follow=True)
        assert alice.mark not in answer.content.decode(errors="replace"), target
    assert checksum(alice.practice.id) == before


# --------------------------------------------------------------------------------------------------------------- jobs


def test_the_engine_of_one_practice_leaves_all_others_untouched(alice: Furnished, charlie: Furnished) -> None:
    before = checksum(alice.practice.id)
    done = engine.step(charlie.practice.id, NOW)
    assert sum(done.values()), "nothing was done at all"
    assert checksum(alice.practice.id) == before


# ---------------------------------------------------------------------------------------------------------------- SQL


def test_the_application_is_no_owner_and_passes_no_policy_by(unblocked: None) -> None:
    assert db.tuples(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    ) == [(False, False, False, False)]
    assert not db.values(
        "SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user AND relnamespace = 'public'::regnamespace"
    )


def test_every_table_of_a_practice_is_guarded_by_force(unblocked: None) -> None:
    unguarded = db.values(
        "SELECT c.relname::text FROM pg_class c WHERE c.relname = ANY(%(tables)s) AND c.relnamespace = 'public'::regnamespace "
        "AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' "
        "AND pg_get_expr(p.polqual, c.oid) LIKE '%%allowed_practices%%' AND pg_get_expr(p.polwithcheck, c.oid) LIKE '%%allowed_practices%%'))",
        tables=practice_tables(),
    )
    assert len(practice_tables()) > 35
    assert unguarded == []


def test_no_view_and_no_function_opens_a_way_around_the_policies(unblocked: None) -> None:
    assert not db.values(
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    with_owners_eyes = db.values(
        "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert set(with_owners_eyes) <= {"update_statistics", "analyze_charts"}  # ANALYZE reads samples and shows nothing


def test_every_key_of_a_practices_table_begins_with_the_practice(unblocked: None) -> None:
    others = db.values(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid "
        "AND a.attname = 'practice_id' WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND i.indkey[0] <> a.attnum"
    )
    assert set(others) == OTHER_KEYS.keys()


def test_every_reference_between_rows_of_practices_carries_the_practice(unblocked: None) -> None:
    """A row can then never point into another practice; a lone id could."""
    lone = db.tuples(
        "SELECT f.conrelid::regclass::text, f.conname::text FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.confrelid "
        "AND a.attname = 'practice_id' JOIN pg_attribute h ON h.attrelid = f.conrelid AND h.attname = 'practice_id' "
        "WHERE f.contype = 'f' AND (f.confkey[1] <> a.attnum OR f.conkey[1] <> h.attnum)"
    )
    assert lone == []


# A patient is named here without a reference. Facts and marks may be written while their patient is being removed; an event of the
# ledger outlives the chart (I5); a reply is read by its event; an outcome of a call hangs on the call or on a number.
_LOOSE: Final = {"patient_facts", "patient_today", "patient_change", "reply", "call_outcome"}


def test_every_table_that_names_a_patient_refers_to_one_of_the_same_practice(unblocked: None) -> None:
    naming = set(
        db.values(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'patient_id' AND NOT a.attisdropped "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
    )
    bound = set(
        db.values(
            "SELECT DISTINCT f.conrelid::regclass::text FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attname = 'patient_id' "
            "WHERE f.contype = 'f' AND f.confrelid = 'patient'::regclass AND a.attnum = ANY(f.conkey) AND array_length(f.conkey, 1) = 2"
        )
    )
    assert naming - bound == _LOOSE


def test_no_row_of_another_practice_can_be_read_changed_removed_or_added(alice: Furnished, charlie: Furnished) -> None:
    before, here, there = checksum(alice.practice.id), charlie.practice.id, alice.practice.id
    for table in practice_tables():
        with db.scope(there):
            assert db.value(f"SELECT count(*) FROM {table}") > 0, f"{table}: Alice has no row, so this shows nothing"
        with db.scope(here):
            assert db.value(f"SELECT count(*) FROM {table} WHERE practice_id <> %(here)s", here=here) == 0, table
            assert (
                db.run(f"UPDATE {table} SET practice_id = practice_id WHERE practice_id = %(there)s", there=there) == 0
            )
            assert db.run(f"DELETE FROM {table} WHERE practice_id = %(there)s", there=there) == 0
            with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
                db.run(f"INSERT INTO {table} (practice_id) VALUES (%(there)s)", there=there)
    assert checksum(alice.practice.id) == before


def test_no_own_row_can_be_given_to_another_practice(alice: Furnished, charlie: Furnished) -> None:
    shown = 0
    for table in practice_tables():
        with db.scope(charlie.practice.id):
            if not db.value(f"SELECT count(*) FROM {table}"):
                continue
            shown += 1
            with (
                pytest.raises(DatabaseError, match=r"row-level security|append-only|only moves forward"),
                transaction.atomic(),
            ):
                db.run(f"UPDATE {table} SET practice_id = %(there)s", there=alice.practice.id)
    assert shown > 35


@pytest.mark.parametrize("statement", ["SELECT 1 FROM {}", "UPDATE {} SET practice_id = practice_id", "DELETE FROM {}"])
def test_without_a_scope_no_statement_runs(alice: Furnished, statement: str) -> None:
    for table in practice_tables():
        with pytest.raises(DatabaseError), transaction.atomic():
            db.run(statement.format(table))


def test_a_patients_link_shows_that_patient_and_nobody_else(alice: Furnished) -> None:
    with db.scope(alice.practice.id):
        others = db.values(
            "SELECT last_name FROM patient WHERE practice_id = %(p)s AND id <> %(i)s",
            p=alice.practice.id,
            i=alice.names["patient_id"][0],
        )
    for pattern in (pattern for pattern, _ in PATTERNS if pattern.startswith(LINKS)):
        [path] = named(pattern, alice)
        answer = Client().get(path)
        assert answer.status_code in {200, 302, 303, 404, 405, 410}, (path, answer.status_code)
        assert not [name for name in others if name in answer.content.decode()], path
        wrong = Client().get(path.replace(alice.tokens[pattern.split("/")[1]], "A" * 22))
        assert wrong.status_code in {404, 405, 410}, (path, wrong.status_code)
