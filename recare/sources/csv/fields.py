"""What Recare wants to know, and under which headers practice systems export it (pms-data sections 2 and 4).

A header counts only when it equals a synonym after lower-casing and removal of all but letters and digits: nothing is guessed from a
part of a word, least of all consent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Columns of the staging table that each kind of value fills.
STAGED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "full_name": (("first_name", "text"), ("middle_name", "text"), ("last_name", "text"), ("preferred_name", "text")),
    "patient_status": (("", "text"), ("pms_status", "text"), ("reason", "text")),
    "note": (("_flags", "text[]"), ("_merged", "text")),
    "interval": (("_months", "smallint"), ("_days", "smallint")),
    "date": (("", "date"),),
    "past_date": (("", "date"),),
    "birthdate": (("", "date"),),
    "moment": (("", "timestamp"),),
    "time": (("", "time"),),
    "minutes": (("", "smallint"),),
    "number": (("", "smallint"),),
    "money": (("", "bigint"),),
    "boolean": (("", "boolean"),),
    "phones": (("", "text[]"),),
    "emails": (("", "text[]"),),
}
_TEXT: Final = (("", "text"),)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to know. ``kind`` names its converter; a row without a ``required`` value is rejected."""

    name: str
    kind: str
    headers: tuple[str, ...]
    required: bool = False

    @property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(column, type) of the staging table, in the order the converter writes them."""
        parts = STAGED.get(self.kind, _TEXT)
        own = self.kind != "full_name"
        return tuple(
            (column if not own or column in {"pms_status", "reason"} else self.name + column, sort)
            for column, sort in parts
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file. ``needs``: fields of which at least one of each group must be mapped; ``telling``: headers no other kind has."""

    name: str
    table: str
    fields: tuple[Field, ...]
    needs: tuple[tuple[str, ...], ...]
    telling: tuple[str, ...] = ()

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


def normalise(header: str) -> str:
    """Return a header in lower case with nothing but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", header.lower())


def _f(name: str, kind: str, headers: str, *, required: bool = False) -> Field:
    return Field(name, kind, tuple(headers.split()), required)


_PATIENT_IDS: Final = (
    "patnum patid patientid externalid accountid clientidentifier chartnumber chartno chartid chart patientnumber patientno patno patientchart "
    "patientchartnumber"
)
_CODES: Final = "adacode transcode code proccode procedurecode cdt cdtcode"

PATIENTS: Final = Kind(
    "patients",
    "patient",
    (
        _f("source_key", "id", _PATIENT_IDS + " id", required=True),
        _f("last_name", "name", "lastname lname patlname last surname familyname patientlastname"),
        _f("first_name", "name", "firstname fname patfname first givenname patientfirstname"),
        _f("full_name", "full_name", "name patientname patient fullname lastfirst lastnamefirstname"),
        _f("middle_name", "name", "mi middle middlename middleinitial middlei"),
        _f("preferred_name", "name", "preferredname preferred nickname patnickname prefname"),
        _f(
            "birthdate", "birthdate", "birthday birthdate dob dateofbirth patbirthday patientdob patientbirthdate birth"
        ),
        _f("sex", "sex", "gender sex patgender"),
        _f("status", "patient_status", "status patientstatus patstatus"),
        _f("active", "boolean", "active isactive"),
        _f("language", "language", "language languagetype preferredlanguage lang"),
        _f("guarantor", "ref", "guarantor guarantorid patrpid responsibleparty guarid guarantornum headofhousehold"),
        _f("guardian", "ref", "guardian guardianid primarycontact"),
        _f("position", "text", "maritalstatus patmarital position"),
        _f(
            "mobile",
            "phones",
            "cellphone cell patcellphone wirelessphone mobile mobilephone wireless phonemobile phonecell cellular",
        ),
        _f("home", "phones", "homephone hmphone pathphone phonehome home"),
        _f("work", "phones", "workphone wkphone patwphone phonework businessphone"),
        _f("phone", "phones", "phone phonenumber telephone primaryphone"),
        _f("email", "emails", "email emailaddress patemail"),
        _f("street", "text", "streetaddress address address1 addressline1 street patientaddress"),
        _f("city", "text", "city patcity town"),
        _f("state", "state", "state patstate province"),
        _f("zip", "zip", "zip zipcode postalcode patzip"),
        _f(
            "contact_method",
            "contact_method",
            "contactmethod prefcontact prefercontactmethod preferredcontact preferredcontactmethod contactpreference",
        ),
        _f("recall_method", "contact_method", "preferrecallmethod recallmethod"),
        _f("text_ok", "coded_answer", "txtmsgok"),
        _f("sms_ok", "answer", "receivessms receivesms textok smsok oktotext receivestexts"),
        _f("email_ok", "answer", "receiveemail receivesemail emailok oktoemail"),
        _f("recall_ok", "answer", "receiverecalls receivesrecalls"),
        _f("no_contact", "answer", "donotcontact nocorrespondence optout"),
        _f("no_text", "answer", "smsoptout textoptout optoutsms optouttext donottext"),
        _f("no_email", "answer", "emailoptout optoutemail donotemail unsubscribed"),
        _f("no_call", "answer", "donotcall calloptout"),
        _f("first_visit_on", "past_date", "firstvisit firstvisitdate patfirstvisit datefirstvisit"),
        _f(
            "last_visit_on",
            "past_date",
            "lastvisit patlastvisit datelastseen lastvisitdate patientlastvisitdate lastseen datelastvisit",
        ),
        _f("dentist", "ref", "preferreddentist patdocid dentist primaryprovider priprov provider"),
        _f("hygienist", "ref", "preferredhygienist pathygid hygienist secprov secondaryprovider"),
        _f("billing_class", "text", "billingtype billtype"),
        _f("balance_cents", "money", "currentbal balance currentbalance patarbalance estbalance accountbalance"),
        _f("premed", "boolean", "premed premedication"),
        _f("deceased", "boolean", "deathindicator deceased isdeceased"),
        _f("deceased_on", "past_date", "datedeceased datetimedeceased deathdate dateofdeath"),
        _f("cannot_schedule", "boolean", "cannotschedule schedulingrestricted donotschedule"),
        _f("merged_into", "ref", "mergedinto mergedintoid patnumto"),
        _f("notes", "note", "notes note patientnotes addrnote"),
        _f("comments", "note", "comments comment apptmodnote patusercodes alerts"),
    ),
    (("source_key", "birthdate", "mobile", "phone", "email"), ("last_name", "full_name")),
)
APPOINTMENTS: Final = Kind(
    "appointments",
    "appointment",
    (
        _f("source_key", "id", "apptid appointmentid appointmentsrno aptnum apptnum appointmentnumber id", required=True),
        _f("patient", "ref", _PATIENT_IDS, required=True),
        _f("on_day", "date", "apptdate appointmentdate aptdate date"),
        _f("at_time", "time", "appttime appointmenttime apttime time starttime"),
        _f("starts", "moment", "aptdatetime appointmentdatetime startdatetime start datetime"),
        _f("minutes", "minutes", "duration length minutes lengthmin durationminutes pattern"),
        _f("status", "appointment_status", "status apptstatus aptstatus appointmentstatus"),
        _f("operatory", "ref", "apptoperatory operatory op chair"),
        _f("provider", "ref", "apptprovider provider apptdentist provnum dentist"),
        _f("hygienist", "ref", "provhyg hygienist appthygienist"),
        _f("hygiene", "boolean", "ishygiene hygiene"),
        _f("code1", "code", "apptadacode apptadacode1 " + _CODES),
        *(_f(f"code{n}", "code", f"apptadacode{n}") for n in range(2, 7)),
    ),
    (("patient",), ("on_day", "starts")),
    (
        "apptid", "appointmentid", "appointmentsrno", "aptnum", "apptnum", "apptdate", "appointmentdate", "aptdate", "appttime",
        "appointmenttime", "aptdatetime", "appointmentdatetime", "apptstatus", "aptstatus", "apptoperatory", "operatory",
    ),
)  # fmt: skip
PROCEDURES: Final = Kind(
    "procedures",
    "procedure",
    (
        _f("source_key", "id", "procnum procid procedureid transid transactionid ledgerid id", required=True),
        _f("patient", "ref", _PATIENT_IDS, required=True),
        _f("code", "code", _CODES, required=True),
        _f("status", "procedure_status", "status procstatus procedurestatus", required=True),
        _f("done_on", "date", "transdate procdate proceduredate date dateofservice servicedate datecomplete"),
        _f("fee_cents", "money", "amount fee procfee"),
        _f("provider", "ref", "provider provnum dentist"),
    ),
    (("patient",), ("code",), ("done_on",)),
    (
        "procnum",
        "transdate",
        "procdate",
        "proceduredate",
        "dateofservice",
        "servicedate",
        "datecomplete",
        "transcode",
        "adacode",
        "proccode",
    ),
)
RECALLS: Final = Kind(
    "recalls",
    "recall",
    (
        _f("source_key", "id", "recallnum recallid id", required=True),
        _f("patient", "ref", _PATIENT_IDS, required=True),
        _f("kind", "recall_kind", "type recalltype description recalldescription"),
        _f("interval", "interval", "interval recallinterval"),
        _f("due_on", "date", "duedate datedue recallduedate recalldue nextrecall nextrecalldate"),
        _f("previous_on", "date", "lastrecalldate dateprevious previousdate lastrecall"),
        _f("scheduled_on", "date", "datescheduled scheduleddate"),
        _f("disabled", "boolean", "disabled isdisabled"),
        _f("disabled_until", "date", "disableuntildate disableduntil"),
        _f("status", "text", "status recallstatus"),
    ),
    (("patient",), ("due_on", "interval")),
    (
        "recallnum",
        "recallid",
        "recalltype",
        "interval",
        "recallinterval",
        "duedate",
        "datedue",
        "recallduedate",
        "nextrecall",
        "nextrecalldate",
    ),
)
TREATMENT_PLANS: Final = Kind(
    "treatment plans",
    "treatment_plan_item",
    (
        _f("source_key", "id", "itemnum treatmentplanitemid proctpnum planitemid id", required=True),
        _f("patient", "ref", _PATIENT_IDS, required=True),
        _f("code", "code", _CODES, required=True),
        _f("status", "plan_status", "status planstatus itemstatus"),
        _f("planned_on", "date", "datetp plandate dateplanned proposeddate date"),
        _f("expires_on", "date", "expires expirydate expirationdate"),
        _f("fee_cents", "money", "amount fee feeamt"),
    ),
    (("patient",), ("code",)),
    (
        "itemnum",
        "treatmentplan",
        "treatmentplanitemid",
        "proctpnum",
        "datetp",
        "plandate",
        "dateplanned",
        "proposeddate",
    ),
)
COVERAGE: Final = Kind(
    "coverage",
    "coverage",
    (
        _f("source_key", "id", "patplannum coverageid patplanid id", required=True),
        _f("patient", "ref", _PATIENT_IDS, required=True),
        _f("ordinal", "number", "ordinal priority"),
        _f("carrier", "text", "carrier carriername insurance insurancecompany primaryinsurance priminsurance"),
        _f("payer_class", "payer", "insurancetype plantype payertype coveragetype"),
        _f("renews_month", "number", "monthrenew renewmonth renewalmonth"),
        _f("annual_max_cents", "money", "annualmax annualmaximum maximum"),
        _f("remaining_cents", "money", "primbenefitsremaining benefitsremaining remaining"),
        _f("used_cents", "money", "benefitsused used usedbenefits"),
        _f("effective_on", "date", "dateeffective effectivedate"),
        _f("ends_on", "date", "dateterm termdate terminationdate"),
    ),
    (("patient",), ("carrier", "annual_max_cents", "payer_class")),
    (
        "patplannum",
        "carrier",
        "carriername",
        "insurancetype",
        "annualmax",
        "annualmaximum",
        "monthrenew",
        "dateeffective",
    ),
)
# In the order they must be written: whoever is referred to comes first.
KINDS: Final = (PATIENTS, APPOINTMENTS, PROCEDURES, RECALLS, TREATMENT_PLANS, COVERAGE)


def synonyms(kind: Kind) -> dict[str, Field]:
    """Return the field that each normalised header means in a file of this kind."""
    found: dict[str, Field] = {}
    for field in kind.fields:
        for header in field.headers:
            found.setdefault(header, field)
    return found


def recognise(headers: list[str], filename: str) -> tuple[Kind, dict[int, Field]] | None:
    """Return the kind of file these headers belong to, with column -> field; None when no kind has what it needs.

    A file with headers that only one kind has is that kind; the file's name decides between equals.
    """
    best: tuple[tuple[int, int, bool], Kind, dict[int, Field]] | None = None
    plain = [normalise(header) for header in headers]
    for kind in KINDS:
        mapped = _mapping(kind, plain)
        names = {field.name for field in mapped.values()}
        if not all(names & set(group) for group in kind.needs):
            continue
        telling = len(set(plain) & set(kind.telling))
        if kind.telling and not telling and kind.name.replace(" ", "") not in normalise(filename):
            continue
        score = (len(mapped) + 2 * telling, telling, normalise(kind.name)[:6] in normalise(filename))
        if best is None or score > best[0]:
            best = (score, kind, mapped)
    return (best[1], best[2]) if best else None


def _mapping(kind: Kind, plain: list[str]) -> dict[int, Field]:
    meanings, mapped, taken = synonyms(kind), {}, set()
    # A field listed with several headers takes the one that stands first in the list of synonyms.
    wanted = sorted(
        (
            (field.headers.index(header), place, field)
            for place, header in enumerate(plain)
            if (field := meanings.get(header))
        ),
        key=lambda found: found[:2],
    )
    for _, place, field in wanted:
        if field.name not in taken:
            mapped[place] = field
            taken.add(field.name)
    if "last_name" in taken:  # a column with the whole name beside the parts says nothing more
        mapped = {place: field for place, field in mapped.items() if field.name != "full_name"}
    return dict(sorted(mapped.items()))
