"""Natural languages by code and name: what a config, a prompt file and a detector call them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from gristmill.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    code: of ISO 639-1, of 639-3 where that has none; lower case. name: in English. own: what its
    speakers call it, in their script. also: its code in 639-3, and other names and codes in use.
    """

    code: str
    name: str
    own: str
    also: tuple[str, ...] = ()


# code, name, own name, other codes and names.
_TABLE = """
af|Afrikaans|Afrikaans|afr
sq|Albanian|Shqip|sqi, alb
am|Amharic|አማርኛ|amh
ar|Arabic|العربية|ara, arb
hy|Armenian|Հայերեն|hye, arm
as|Assamese|অসমীয়া|asm
az|Azerbaijani|Azərbaycanca|aze, azj, Azeri
eu|Basque|Euskara|eus, baq
be|Belarusian|Беларуская|bel
bn|Bengali|বাংলা|ben, Bangla
bs|Bosnian|Bosanski|bos
bg|Bulgarian|Български|bul
my|Burmese|မြန်မာဘာသာ|mya, bur, Myanmar
ca|Catalan|Català|cat, Valencian
ceb|Cebuano|Binisaya|Sinugboanon
zh|Chinese|中文|zho, chi, cmn, Mandarin, Simplified Chinese, Traditional Chinese
hr|Croatian|Hrvatski|hrv
cs|Czech|Čeština|ces, cze
da|Danish|Dansk|dan
nl|Dutch|Nederlands|nld, dut, Flemish
en|English|English|eng
eo|Esperanto|Esperanto|epo
et|Estonian|Eesti|est, ekk
fi|Finnish|Suomi|fin
fr|French|Français|fra, fre
gl|Galician|Galego|glg
lg|Ganda|Luganda|lug
ka|Georgian|ქართული|kat, geo
de|German|Deutsch|deu, ger
el|Greek|Ελληνικά|ell, gre, Modern Greek
gu|Gujarati|ગુજરાતી|guj
ht|Haitian Creole|Kreyòl ayisyen|hat, Haitian
ha|Hausa|Hausa|hau
he|Hebrew|עברית|heb, iw
hi|Hindi|हिन्दी|hin
hu|Hungarian|Magyar|hun
is|Icelandic|Íslenska|isl, ice
ig|Igbo|Asụsụ Igbo|ibo
id|Indonesian|Bahasa Indonesia|ind
ga|Irish|Gaeilge|gle, Irish Gaelic
it|Italian|Italiano|ita
ja|Japanese|日本語|jpn
jv|Javanese|Basa Jawa|jav
kn|Kannada|ಕನ್ನಡ|kan
kk|Kazakh|Қазақша|kaz
km|Khmer|ភាសាខ្មែរ|khm, Cambodian
rw|Kinyarwanda|Ikinyarwanda|kin
ko|Korean|한국어|kor
ku|Kurdish|Kurdî|kur, kmr, Kurmanji
ky|Kyrgyz|Кыргызча|kir, Kirghiz
lo|Lao|ລາວ|lao
la|Latin|Latina|lat
lv|Latvian|Latviešu|lav, lvs
lt|Lithuanian|Lietuvių|lit
lb|Luxembourgish|Lëtzebuergesch|ltz
mk|Macedonian|Македонски|mkd, mac
mg|Malagasy|Malagasy|mlg
ms|Malay|Bahasa Melayu|msa, may, zsm
ml|Malayalam|മലയാളം|mal
mt|Maltese|Malti|mlt
mi|Maori|Te reo Māori|mri, mao
mr|Marathi|मराठी|mar
mn|Mongolian|Монгол|mon, khk
ne|Nepali|नेपाली|nep, npi
nb|Norwegian Bokmål|Norsk bokmål|nob, no, nor, Norwegian, Norsk, Bokmål
nn|Norwegian Nynorsk|Norsk nynorsk|nno, Nynorsk
or|Odia|ଓଡ଼ିଆ|ori, ory, Oriya
ps|Pashto|پښتو|pus, Pushto
fa|Persian|فارسی|fas, per, pes, Farsi, Dari
pl|Polish|Polski|pol
pt|Portuguese|Português|por
pa|Punjabi|ਪੰਜਾਬੀ|pan, Panjabi
ro|Romanian|Română|ron, rum, Moldovan
ru|Russian|Русский|rus
sr|Serbian|Српски|srp, Srpski
sn|Shona|chiShona|sna
si|Sinhala|සිංහල|sin, Sinhalese
sk|Slovak|Slovenčina|slk, slo
sl|Slovene|Slovenščina|slv, Slovenian
so|Somali|Soomaali|som
st|Sotho|Sesotho|sot, Southern Sotho
es|Spanish|Español|spa, Castilian
su|Sundanese|Basa Sunda|sun
sw|Swahili|Kiswahili|swa, swh
sv|Swedish|Svenska|swe
tl|Tagalog|Tagalog|tgl, fil, Filipino
tg|Tajik|Тоҷикӣ|tgk
ta|Tamil|தமிழ்|tam
tt|Tatar|Татарча|tat
te|Telugu|తెలుగు|tel
th|Thai|ไทย|tha
ts|Tsonga|Xitsonga|tso
tn|Tswana|Setswana|tsn
tr|Turkish|Türkçe|tur
tk|Turkmen|Türkmençe|tuk
uk|Ukrainian|Українська|ukr
ur|Urdu|اردو|urd
ug|Uyghur|ئۇيغۇرچە|uig, Uighur
uz|Uzbek|Oʻzbekcha|uzb, uzn
vi|Vietnamese|Tiếng Việt|vie
cy|Welsh|Cymraeg|cym, wel
fy|Western Frisian|Frysk|fry, Frisian
xh|Xhosa|isiXhosa|xho
yi|Yiddish|ייִדיש|yid
yo|Yoruba|Yorùbá|yor
zu|Zulu|isiZulu|zul
"""


def _read(line: str) -> Language:
    code, name, own, also = line.split("|")
    return Language(code, name, own, tuple(also.split(", ")))


LANGUAGES = {each.code: each for each in map(_read, _TABLE.strip().splitlines())}
"""By code, in the order of the English names."""


def language_of(name: str) -> Language:
    """The language of a code or name, in any case: `de`, `deu`, `German`, `Deutsch`, `de-AT`,
    `zh_Hans`, `deu_Latn`. Raises ConfigError naming the nearest."""
    known = _known()
    plain = _plain(name)
    # A code may be followed by a script or a country, which say nothing about the language.
    code = re.match(r"([a-z]{2,3})[-_][a-z0-9_-]+\Z", plain)
    found = known.get(plain) or (known.get(code[1]) if code else None)
    if found:
        return found
    # A wrong code is near to many.
    near = get_close_matches(plain, known, n=1) if len(plain) > 3 else []
    hint = f"did you mean '{known[near[0]].name}'?" if near else "write a code as 'de' or a name"
    raise ConfigError(f"unknown language '{name}'; {hint}")


@cache
def _known() -> dict[str, Language]:
    found: dict[str, Language] = {}
    for each in LANGUAGES.values():
        for name in (each.code, each.name, each.own, *each.also):
            before = found.setdefault(_plain(name), each)
            assert before is each, f"{name} is both {before.name} and {each.name}"
    return found


def _plain(name: str) -> str:
    """Case, accents and white space aside."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())
