"""How often a text says no: the words of negation in some forty languages.

Only counts are compared, so that "isn't", "is not" and "ain't" are alike. What a language says by
an ending or a part of the verb alone (Turkish "-me-", Czech "nemá") is another word, and not
counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from gristmill.similarity.words import plain

_BY_LANGUAGE = {
    "English": "not no never none nobody nothing nowhere neither nor cannot without cant dont "
    "doesnt didnt isnt arent wasnt werent wouldnt shouldnt couldnt havent hasnt hadnt",
    "German": "nicht nichts nein kein keine keinen keinem keiner keines nie niemals niemand "
    "niemandem niemanden nirgends weder ohne",
    "French": "pas jamais aucun aucune rien sans ne ni",
    "Spanish": "no nunca jamás ningún ninguno ninguna nada nadie sin tampoco",
    "Portuguese": "não nunca nenhum nenhuma ninguém nem sem jamais",
    "Italian": "non mai nessun nessuno nessuna nulla niente né senza",
    "Catalan": "ningú sense",
    "Romanian": "nu niciodată niciun nicio nimic nimeni fără nici",
    "Dutch": "niet niets nee geen nooit niemand nergens zonder",
    "Swedish, Danish, Norwegian": "inte ej inget inga ingen ingenting aldrig aldri ikke ikkje "
    "intet utan uten uden nej nei",
    "Icelandic": "ekki ekkert aldrei enginn engin án",
    "Polish": "nie nigdy nikt nic żaden żadna żadne żadnego bez ani",
    "Czech, Slovak": "není nie nikdy nikdo nikto nic nič žádný žádná žádné žiadny bez ani nelze",
    "Slovene, Croatian, Serbian": "ni nije nisam nisu nema nikad nikada nihče nitko niko ništa "
    "није нису нема никад никада нико ништа",
    "Russian": "не ни нет нельзя никогда никто никого ничто ничего никакой никакая никакие без",
    "Ukrainian, Belarusian": "ні немає нема ніколи ніхто нічого жоден няма ніколі ніхто",
    "Bulgarian, Macedonian": "няма никога никой нищо никој ништо",
    "Greek": "δεν δε μην μη όχι ποτέ κανένας καμία τίποτα χωρίς ούτε",
    "Finnish, Estonian": "ei eivät älä ilman mitään pole ära ilma",
    "Hungarian": "nem ne sem soha sehol senki semmi nincs nincsenek nélkül",
    "Lithuanian, Latvian": "nėra niekada nav nekad bez",
    "Turkish, Azerbaijani": "değil yok hayır asla hiçbir deyil yox heç",
    "Indonesian, Malay": "tidak bukan jangan belum tanpa tiada",
    "Vietnamese": "không chưa chẳng đừng",
    "Swahili, Filipino": "hapana hakuna siyo hindi wala",
    "Arabic": "لا لم لن ليس ليست ليسوا لست لسنا كلا غير بدون دون ولا فلا ولم ولن وليس وليست فليس",
    "Persian": "نه نیست نیستم نیستند نمی هرگز بدون هیچ",
    "Urdu": "نہیں نہ مت بغیر",
    "Hebrew": "לא אין אינו אינה אינם אינן בלי ללא מעולם ולא ואין שלא שאין",
    "Hindi, Nepali, Marathi": "नहीं नही न मत बिना छैन छैनन् होइन नाही नाहीत",
    "Bengali, Assamese": "না নয় নেই নি নাই নহয়",
    "Gujarati, Punjabi": "નથી નહીં નહિ ના ਨਹੀਂ ਨਾ",
    "Tamil, Telugu": "இல்லை அல்ல கூடாது లేదు కాదు",
    "Kannada, Malayalam, Sinhala": "ಇಲ್ಲ ಅಲ್ಲ ഇല്ല അല്ല නැත නොවේ",
    "Armenian, Georgian": "չէ ոչ չի երբեք առանց არ არა ვერ არასდროს",
    "Amharic": "አይደለም የለም",
}
_WORDS = frozenset(plain(" ".join(_BY_LANGUAGE.values())).split())
_BEFORE_T = frozenset(plain(
    "isn aren wasn weren don doesn didn won wouldn can couldn shouldn hasn haven hadn mustn needn "
    "mightn ain shan"
).split())  # fmt: skip
_WITHIN = re.compile(
    "[不没沒未無无毋勿]|非(?!常|洲)|(?:请|請)[别別]"
    "|ませ?ん|な(?:い|く|かっ|けれ)|ずに|せず"
    "|않|없|아니|못하|지 ?(?:마|말)|(?<!\\S)(?:안|못)(?!\\S)"
    "|ไม่|อย่า|มิได้|ห้าม|ไร้|ບໍ່|ຢ່າ|មិន|ពុំ|គ្មាន|ဘူး|မဟုတ်|མེད|མིན"
)
"""In scripts that put no space between words, and in Korean, whose words have endings."""
_MAY_HOLD = re.compile("[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def negations(text: str, found: Sequence[str]) -> int:
    """How many words of negation a text has; `found` are its `words`."""
    count = 0 if _WORDS.isdisjoint(found) else sum(map(_WORDS.__contains__, found))
    if "t" in found:
        count += sum(after == "t" and word in _BEFORE_T for word, after in pairwise(found))
    if not text.isascii() and _MAY_HOLD.search(text):
        count += len(_WITHIN.findall(plain(text)))
    return count
