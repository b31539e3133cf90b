from __future__ import annotations

import pytest

from recare.compliance.message_class import detect


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("You are overdue, book here", "R", "R"),
        ("Your visit is tomorrow at 9", "A", "A"),
        ("Overdue? We have financing options", "R", "P"),
        ("Overdue? In-house plans available", "R", "P"),
        ("Ask about our new-year special", "R", "P"),
        ("Come in for teeth whitening", "R", "P"),
        ("Wh1tening is here", "R", "P"),
        ("Exam $49", "R", "P"),
        ("20% off your visit", "A", "P"),
        ("Free exam for new visits", "R", "P"),
        ("Feel free to call", "R", "R"),
        ("Plan your visit when it suits you", "R", "R"),
        ("Toll-free line open", "R", "R"),
        ("Especially on Mondays", "R", "R"),
        ("{{ practice_name }}: {{ offer_headline }}", "R", "P"),
        ("{{ first_name | default: 'special' }}", "R", "P"),
        ("{{ first_name }}, see {{ book_link }}", "R", "R"),
        ("Sponsored by a brush maker", "P", "T"),
        ("Brought to you by our partners", "R", "T"),
        ("Invisalign days are here", "P", "T"),
        ("Your account balance of $80 is past due", "R", "CLASS_BILLING"),
        ("Please pay your bill", "S", "CLASS_BILLING"),
        ("The exam is $95", "S", "S"),
        ("Examen gratis este mes", "R", "P"),
        ("Pregunte por nuestro plan de financiamiento", "R", "P"),
        ("Blanqueamiento dental", "R", "P"),
        ("Nos gustaría verle de nuevo", "R", "R"),
        ("Tiene un saldo pendiente", "R", "CLASS_BILLING"),
        ("Patrocinado por una marca", "P", "T"),
        ("Half-price exam", "R", "P"),
        ("Your exam is on us", "R", "P"),
        ("2x1 en limpiezas", "R", "P"),
        ("Buy now, pay later", "R", "P"),
        ("Meses sin intereses", "R", "P"),
        ("Smoke-free office", "R", "R"),
        ("A great deal of care", "R", "R"),
        ("Payment reminder", "A", "CLASS_BILLING"),
        ("A balance remains on your account", "R", "CLASS_BILLING"),
        ("Su cuenta está vencida", "R", "CLASS_BILLING"),
    ],
)
def test_cls_01_words_make_a_class_stricter(text: str, declared: str, expected: str) -> None:
    found = detect(text, declared)  # type: ignore[arg-type]
    assert found.message_class == expected
    assert bool(found.because) is (expected != declared)


@pytest.mark.parametrize("declared", ["P", "T"])
def test_a_class_is_never_made_milder(declared: str) -> None:
    assert detect("We'd like to see you again", declared).message_class == declared  # type: ignore[arg-type]


def test_the_words_that_decided_are_told() -> None:
    assert detect("Ask about financing and a discount", "R").because == ("discount", "financing")
