from __future__ import annotations
import os
from datetime import UTC, datetime, timedelta
from recare.base import db
from recare.campaigns import campaign, enrol, advance, playbook, offers
from recare.messages import templates, render
from recare.segments import segment
from tests.campaigns import build
from tests.campaigns.build import NOW
from tests.messages import outbox

def test_shots(open_page, committed_practice, sign_in, accessible):
    p = committed_practice
    with db.scope(p.id):
        db.run("UPDATE practice SET clock_at = %(n)s WHERE id=%(p)s", n=NOW, p=p.id)
        segment.install(p.id, NOW)
        templates.install_shipped(p.id, NOW)
        for _ in range(40): build.person(p.id)
        for _ in range(9): build.person(p.id, sms_level=0, email_level=0, call_level=0)
        for _ in range(5): build.person(p.id, email="-", state="FL", zip="33101")
        build.refresh(p.id)
        text = build.text()
        build.templates(p.id, playbook.read(text))
        run = campaign.create(p.id, "Autumn win-back", text, "owner@example.com", NOW)
        campaign.publish(p.id, run, "owner", NOW); 
        for pid in (): pass
        db.run("INSERT INTO operatory (practice_id, source, source_key, name, is_hygiene, bookable) VALUES (%(p)s,'t','1','Chair 1',true,true)", p=p.id)
        for d in range(5): db.run("INSERT INTO opening_hours (practice_id, weekday, starts, ends) VALUES (%(p)s,%(d)s,'08:00','17:00')", p=p.id, d=d)
        enrol.freeze_and_enrol(p.id, run, NOW)
    advance.advance_batch(p.id, NOW)
    render.render_batch(p.id, NOW)
    with db.scope(p.id):
        for _ in range(30): build.person(p.id)
        for _ in range(9): build.person(p.id, sms_level=0, email_level=0, call_level=0)
        for _ in range(3): build.person(p.id, email="-", state="FL", zip="33101")
        build.refresh(p.id)
        draft = campaign.create(p.id, "Winter win-back", text, "owner@example.com", NOW)
        paused = campaign.create(p.id, "Paused one", text, "owner@example.com", NOW)
        campaign.publish(p.id, paused, "o", NOW); campaign.pause(p.id, paused, "Holiday", "olga", NOW)
        offers.save(p.id, "welcome_back", {"what": "Exam and X-rays", "regular_fee_cents": 18000, "price_cents": 9900}, "o", NOW)
        bare = campaign.create(p.id, "Case study", playbook.shipped()["three_step_winback"], "o", NOW)
        case = outbox.make_case(p.id)
        unk = outbox.make_message(case, state="unknown", claimed_at=NOW)
        outbox.make_message(case, state="withheld", reasons=db.json([{"code": "HAS_APPT", "rule": "PAT-01", "verdict": "deny", "detail": "2027-02-03"}]))
        mail = db.value("SELECT min(id) FROM message WHERE practice_id=%(p)s AND channel='email'", p=p.id)
    paths = {"list": "/campaigns/", "detail": f"/campaigns/{run}/", "edit": f"/campaigns/{draft}/edit/", "rehearsal": f"/campaigns/{draft}/preview/", "blocked": f"/campaigns/{bare}/preview/",
      "offers": "/offers/", "offer": "/offers/welcome_back/", "newoffer": "/offers/new/", "templates": "/templates/", "sms": "/templates/winback_text/sms/en/", "mail": "/templates/winback/email/en/", "call": "/templates/winback_call/call/en/",
      "outbox": "/outbox/", "unknown": "/outbox/?state=unknown", "message": f"/messages/{mail}/", "senders": "/settings/senders/", "newsender": "/settings/senders/new/"}
    only = os.environ.get("ONLY", "").split(",") if os.environ.get("ONLY") else list(paths)
    problems = []
    for width, scheme in ((1280, "light"), (375, "dark"), (375, "light"), (1280, "dark")):
        page = open_page(width=width, color_scheme=scheme)
        if width == 1280 and scheme == "light": sign_in(page, p); state = page.context.storage_state()
        else: page.context.add_cookies(state["cookies"])
        for name in only:
            if (width, scheme) in ((375,"light"),(1280,"dark")) and name not in ("rehearsal","mail","detail"): continue
            page.goto(paths[name]); page.wait_for_timeout(700)
            page.screenshot(path=f"/tmp/shots/{name}-{width}-{scheme}.png", full_page=True)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0: problems.append(f"{name} {width}: overflows {over}")
            try: accessible(page)
            except AssertionError as e: problems.append(f"{name} {width} {scheme}: {e}")
    page = open_page(); page.context.add_cookies(state["cookies"])
    page.goto(paths["sms"]); page.get_by_label("Text").fill("{{ practice_name }}: 50% off your root canal"); page.wait_for_timeout(1500)
    page.screenshot(path="/tmp/shots/typing.png", full_page=True)
    print("\n".join(problems))
