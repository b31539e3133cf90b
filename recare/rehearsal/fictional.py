"""Contact data that can reach nobody: phones 555-0100 to 555-0199 (kept for fiction), addresses on example.com, .org and .net."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

# Area codes of the United States that exist today, without toll-free ones.
_ALL = """
201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 227 228 229 231 234 235 239 240 248
251 252 253 254 256 260 262 267 269 270 272 274 276 279 281 283 301 302 303 304 305 307 308 309 310 312 313 314 315 316
317 318 319 320 321 323 324 325 326 327 329 330 331 332 334 336 337 339 341 346 347 350 351 352 353 360 361 363 364 369
380 385 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 423 424 425 430 432 434 435 440 442 443 445 447
448 458 463 464 469 470 472 475 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530 531
534 539 540 541 551 557 559 561 562 563 564 567 570 571 572 573 574 575 580 582 585 586 601 602 603 605 606 607 608 609
610 612 614 615 616 617 618 619 620 623 626 628 629 630 631 636 640 641 645 646 650 651 656 657 659 660 661 662 667 669
678 680 681 682 686 689 701 702 703 704 706 707 708 712 713 714 715 716 717 718 719 720 724 725 726 727 728 730 731 732
734 737 738 740 743 747 748 754 757 760 762 763 765 769 770 771 772 773 774 775 779 781 785 786 801 802 803 804 805 806
808 810 812 813 814 815 816 817 818 820 821 826 828 830 831 832 835 838 839 840 843 845 847 848 850 854 856 857 858 859
860 862 863 864 865 870 872 878 901 903 904 906 907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 929 930 931
934 936 937 938 940 941 943 945 947 948 949 951 952 954 956 959 970 971 972 973 975 978 979 980 983 984 985 986 989
"""
AREA_CODES: tuple[str, ...] = tuple(_ALL.split())
# Around the practice; most patients kept a number from here.
LOCAL_CODES = ("630", "331", "847", "224", "708", "464", "815", "779", "312", "872")
# One area code, several time zones: the window must hold in each of them.
SPLIT_ZONE_CODES = ("219", "270", "308", "423", "574", "605", "606", "620", "701", "785", "812", "850", "906")
DOMAINS = ("example.com", "example.org", "example.net")
PRACTICE_NUMBER = "+16305550100"
# The practice itself, and numbers that stand in planted traps: no patient gets them.
RESERVED = {"6305550100", "6305550177", "6305550178", "2125550142"}

# What may stand in an export: a fictional number, or a placeholder nobody could dial.
FICTIONAL_NUMBER = re.compile(r"\(?\b\d{3}\)?[ .-]?555[ .-]?01\d\d\b")
FICTIONAL_ADDRESS = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)\b", re.IGNORECASE)


class Numbers:
    """Hands out each fictional number once (about 36,000 in all): local ones first three times in four."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._local = _shuffled(rng, list(LOCAL_CODES))
        self._split = _shuffled(rng, list(SPLIT_ZONE_CODES))
        near = set(LOCAL_CODES) | set(SPLIT_ZONE_CODES)
        self._far = _shuffled(rng, [code for code in AREA_CODES if code not in near])

    def next(self) -> str:
        """Return ten digits not handed out before; raises ``IndexError`` when the fictional numbers are used up."""
        chance = self._rng.random()
        first = self._local if chance < 0.75 else self._split if chance < 0.83 else self._far  # assumption
        for pool in (first, self._local, self._far, self._split):
            if pool:
                return pool.pop()
        raise IndexError("All fictional telephone numbers are used up: ask for fewer patients.")


def _shuffled(rng: random.Random, codes: list[str]) -> list[str]:
    numbers = [number for code in codes for n in range(100) if (number := f"{code}55501{n:02d}") not in RESERVED]
    rng.shuffle(numbers)
    return numbers


def written(rng: random.Random, digits: str) -> str:
    """Return ten digits the way a front desk types them: five habits, the first by far the commonest."""
    area, middle, last = digits[:3], digits[3:6], digits[6:]
    shapes = (
        f"({area}) {middle}-{last}",
        f"({area}){middle}-{last}",
        f"{area}-{middle}-{last}",
        f"{area}.{middle}.{last}",
        digits,
    )
    return rng.choices(shapes, (60, 20, 12, 4, 4))[0]


def address(first: str, last: str, number: int) -> str:
    """Return an e-mail address of nobody; ``number`` keeps namesakes apart."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode().lower()
    return f"{re.sub(r'[^a-z.]', '', plain)}{number}@{DOMAINS[number % 3]}"
