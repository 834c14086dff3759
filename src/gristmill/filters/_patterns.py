"""Personal data and secrets in a text: where they are, and what only looks like them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from gristmill.languages.scripts import blanked, western

Kind = Literal["email", "phone", "iban", "card", "ip", "ssn", "key"]


@dataclass(frozen=True, slots=True)
class Datum:
    """Something personal, from `start` to `end` of a text."""

    kind: Kind
    start: int
    end: int
    text: str

    @property
    def hidden(self) -> str:
        """What may be said of it without repeating it."""
        if self.kind == "email":
            return f"{self.text[0]}***@…"
        head = self.text[:2] if self.kind in ("phone", "iban") else ""
        return f"{head}*** ({len(self.text)} characters)"


_DIGITS = re.compile(r"\d[^\d\n]{0,3}\d[^\d\n]{0,3}\d[^\d\n]{0,3}\d")
_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24})(?![\w@-])"
)
_PHONE = re.compile(
    r"(?<![\w.+/=-])(?:(?:\+|\b00)[1-9]\d{0,2}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d(?:[\s.-]?\d){5,12}"
    r"|(?:\+?1[\s.-]?)?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4})(?![\w-]|[.,]\d)"
)
_CALLED = re.compile(
    r"(?i)(?:(?<!\w)(?:tel(?:ephone|efon|éfono|éphone|efono|efone)?|phone|mobile|cell|fax|call|handy|"
    r"telefonnummer|whatsapp|тел)\b"
    r"|(?:电话|電話|手机|手機|전화)(?:号码|號碼|番号|번호)?[是は은는]?)"
    r"[^\S\n]*(?:number|no\.?|is|:|：|\.|#)*[^\S\n]*"
    r"(?:me at\s*|us at\s*)?(\(?\d(?:[\s./()-]{0,2}\d){6,13})(?!\w)"
)
_ISSUED = re.compile(
    r"(?:4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14})\Z"
)
"""The first digits and lengths of Visa, Mastercard, American Express, Diners, Discover, JCB."""
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<![\w.-])[2-6]\d\d\d(?:[ -]?\d){10,12}(?![\w-]|\.\d)")
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)"
)
"""Of IPv6 what begins with 2 or 3, as all that is given out does: `1::2` is a slice in Python."""
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY"
    r"(?: BLOCK)?-----|[\s\S]*\Z)|(?<![\w-])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{36,255}|"
    r"github_pat_\w{50,255}|glpat-[\w-]{20,64}|sk-(?:ant-|proj-|or-)?[\w-]{20,200}|"
    r"[sr]k_live_[A-Za-z0-9]{20,100}|xox[abeoprs]-[A-Za-z0-9-]{10,250}|AIza[\w-]{35}|"
    r"hf_[A-Za-z0-9]{30,50}|nvapi-[\w-]{40,100}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,250}|"
    r"eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1000})(?![\w-])"
)

_EXAMPLE_HOSTS = re.compile(
    r"(?i)(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|local|domain\.com|"
    r"email\.com|company\.com|yourcompany\.com|yourdomain\.com|mydomain\.com|website\.com)\Z"
)
"""The reserved names (RFC 2606, RFC 6761), and those that stand for any name in most examples."""
_TEST_CARDS = {
    "4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556",
    "5555555555554444", "5105105105105100", "5200828282828210", "2223003122003222",
    "378282246310005", "371449635398431", "6011111111111117", "6011000990139424",
    "30569309025904", "38520000023237", "3530111333300000", "3566002020360505",
}  # fmt: skip
"""Numbers that payment processors give out for tests."""
_KNOWN_SSN = {"078-05-1120", "219-09-9999", "123-45-6789"}
"""From advertisements and forms, and the one that everybody makes up."""
_IBAN_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC",
    32: "LC", 33: "RU",
}  # fmt: skip
"""Length -> the countries whose IBANs have it."""
_IBAN_OF = {country: size for size, codes in _IBAN_LENGTHS.items() for country in codes.split()}
_EXAMPLE_IBANS = {"DE89370400440532013000", "GB29NWBK60161331926819", "GB82WEST12345698765432",
                  "FR1420041010050500013M02606", "NL91ABNA0417164300"}  # fmt: skip
"""From the register of IBANs and the articles about them."""


def find(text: str, kinds: frozenset[Kind]) -> list[Datum]:
    """All personal data of the kinds in a text, by place; of those that overlap the first kind in
    the order of `FINDERS`."""
    found: list[Datum] = []
    # Letters that write no spaces may touch what is looked for; every place stays where it is.
    text, given = western(text), text
    plain = blanked(text)
    # Most texts have too few digits together for any of these.
    numbers = _DIGITS.search(plain) is not None
    for kind, finder in FINDERS.items():
        if kind in kinds and (numbers or kind in ("key", "email")):
            spans = list(finder(plain))
            spans += finder(text) if kind == "phone" and plain != text else ()
            for start, end in spans:
                if all(end <= d.start or start >= d.end for d in found):
                    found.append(Datum(kind, start, end, given[start:end]))
    return sorted(found, key=lambda datum: datum.start)


Spans = Iterator[tuple[int, int]]


def _keys(text: str) -> Spans:
    for match in _KEY.finditer(text):
        key = match[0]
        varied = any(map(str.isdigit, key)) and len(set(key[4:])) >= 8
        pretended = re.search(r"(?i)example|your|xxxx|placeholder|1234567890", key)
        if key.startswith("-----BEGIN") or (varied and not pretended):
            yield match.span()


def _emails(text: str) -> Spans:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _EXAMPLE_HOSTS.search(match[1]):
                yield match.span()


def _ibans(text: str) -> Spans:
    for match in _IBAN.finditer(text):
        # What follows in capitals may have been taken for the last group.
        plain = match[0].replace(" ", "")
        size = _IBAN_OF.get(plain[:2], 0)
        if not size or len(plain) < size:
            continue
        plain = plain[:size]
        digits = "".join(str(int(c, 36)) for c in plain[4:] + plain[:4])
        if int(digits) % 97 == 1 and plain not in _EXAMPLE_IBANS:
            yield match.start(), match.start() + _length(match[0], size)


def _cards(text: str) -> Spans:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if not _ISSUED.match(digits) or digits in _TEST_CARDS or len(set(digits)) < 4:
            continue
        if _luhn(digits):
            yield match.span()


def _ssns(text: str) -> Spans:
    return (m.span() for m in _SSN.finditer(text) if m[0] not in _KNOWN_SSN)


def _ips(text: str) -> Spans:
    for match in _IP.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()].lower()
        if re.search(r"(?:version|release|v|ver\.?|section|§)\s*\Z", before):
            continue
        try:
            address = ip_address(match[0])
        except ValueError:
            continue
        # The resolvers that everybody's examples ask are nobody's.
        known = match[0] in ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9")
        if address.is_global and not address.is_multicast and not known:
            yield match.span()


def _phones(text: str) -> Spans:
    spans = [m.span() for m in _PHONE.finditer(text)] + [m.span(1) for m in _CALLED.finditer(text)]
    for start, end in spans:
        digits = re.sub(r"\D", "", text[start:end]).removeprefix("00")
        fiction = re.search(r"55501\d\d\Z", digits) or len(set(digits)) <= 2
        counted = digits in "01234567890123456789" or digits in "98765432109876543210"
        made_up = re.search(r"(?:123-?4567|1234567890|123456789)\Z", text[start:end])
        if 7 <= len(digits) <= 13 and not fiction and not counted and not made_up:
            yield start, end


FINDERS: dict[Kind, Callable[[str], Spans]] = {
    "key": _keys,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ssn": _ssns,
    "ip": _ips,
    "phone": _phones,
}


def _luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0


def _length(text: str, size: int) -> int:
    """How much of a text its first `size` characters take, spaces aside."""
    for place, character in enumerate(text):
        size -= character != " "
        if not size:
            return place + 1
    return len(text)
