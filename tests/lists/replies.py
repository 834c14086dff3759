# ruff: noqa: E501 (replies stand as they came)
"""What models reply when they are asked for a list, and the items that are meant.

Each case is a name, a reply and its items. They were written before the parser, by what models of
many sizes do: prefaces, remarks, markup, the wrong form, half a form, another language.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    reply: str
    items: tuple[str, ...]


def case(name: str, reply: str, *items: str) -> Case:
    return Case(name, reply, items)


NUMBERED = [
    case("dots", "1. Solar power\n2. Wind power\n3. Tides", "Solar power", "Wind power", "Tides"),
    case("brackets", "1) Tea\n2) Coffee\n3) Cocoa", "Tea", "Coffee", "Cocoa"),
    case("both brackets", "(1) Tea\n(2) Coffee", "Tea", "Coffee"),
    case("square brackets", "[1] Tea\n[2] Coffee\n[3] Maté", "Tea", "Coffee", "Maté"),
    case("dot and bracket", "1.) Tea\n2.) Coffee", "Tea", "Coffee"),
    case("colons", "1: Roman law\n2: Greek drama", "Roman law", "Greek drama"),
    case("spaced hyphens", "1 - Roman law\n2 - Greek drama", "Roman law", "Greek drama"),
    case("spaced dashes", "1 – Roman law\n2 – Greek drama", "Roman law", "Greek drama"),
    case(
        "dot and hyphen", "1.- Derecho romano\n2.- Teatro griego", "Derecho romano", "Teatro griego"
    ),
    case("number signs", "#1 Kites\n#2 Yo-yos\n#3 Marbles", "Kites", "Yo-yos", "Marbles"),
    case("number signs with colons", "#1: Kites\n#2: Yo-yos", "Kites", "Yo-yos"),
    case("bold numbers", "**1.** Kites\n**2.** Yo-yos", "Kites", "Yo-yos"),
    case("bold number and item", "**1. Kites**\n**2. Yo-yos**", "Kites", "Yo-yos"),
    case(
        "bold number and title",
        "**1. Kites**: paper in the wind\n**2. Yo-yos**: up and down",
        "**Kites**: paper in the wind",
        "**Yo-yos**: up and down",
    ),
    case(
        "goes on from the prompt's 1.", "Kites\n2. Yo-yos\n3. Marbles", "Kites", "Yo-yos", "Marbles"
    ),
    case("escaped dots", "1\\. Kites\n2\\. Yo-yos", "Kites", "Yo-yos"),
    case(
        "roman capitals", "I. Bread\nII. Salt\nIII. Wine\nIV. Oil", "Bread", "Salt", "Wine", "Oil"
    ),
    case("roman small", "i) Bread\nii) Salt\niii) Wine", "Bread", "Salt", "Wine"),
    case("roman in brackets", "(i) Bread\n(ii) Salt", "Bread", "Salt"),
    case("letters", "a) Bread\nb) Salt\nc) Wine", "Bread", "Salt", "Wine"),
    case("capital letters", "A. Bread\nB. Salt\nC. Wine", "Bread", "Salt", "Wine"),
    case("letters in brackets", "(a) Bread\n(b) Salt", "Bread", "Salt"),
    case("full width", "１．太陽光発電\n２．風力発電\n３．地熱", "太陽光発電", "風力発電", "地熱"),
    case(
        "circled",
        "① 机器学习\n② 自然语言处理\n③ 计算机视觉",
        "机器学习",
        "自然语言处理",
        "计算机视觉",
    ),
    case("circled without a space", "①料理\n②旅行", "料理", "旅行"),
    case(
        "Chinese comma", "1、人工智能\n2、量子计算\n3、基因编辑", "人工智能", "量子计算", "基因编辑"
    ),
    case(
        "Chinese numerals",
        "一、人工智能\n二、量子计算\n三、基因编辑",
        "人工智能",
        "量子计算",
        "基因编辑",
    ),
    case("Chinese bracket", "（1）人工智能\n（2）量子计算", "人工智能", "量子计算"),
    case("no space", "1.人工智能\n2.量子计算", "人工智能", "量子计算"),
    case("no space in Latin", "1.Chess\n2.Go\n3.Draughts", "Chess", "Go", "Draughts"),
    case(
        "Arabic digits",
        "إليك ثلاثة مواضيع:\n\n١. الطاقة الشمسية\n٢. تاريخ الأندلس\n٣. علم الفلك",
        "الطاقة الشمسية",
        "تاريخ الأندلس",
        "علم الفلك",
    ),
    case(
        "Devanagari digits",
        "यहाँ तीन विषय हैं:\n१. जलवायु परिवर्तन\n२. भारतीय संगीत\n३. क्रिकेट",
        "जलवायु परिवर्तन",
        "भारतीय संगीत",
        "क्रिकेट",
    ),
    case("Arabic bracket", "1) الصحة العامة\n2) التعليم", "الصحة العامة", "التعليم"),
    case("keycaps", "1️⃣ Chess\n2️⃣ Go\n🔟 Shogi", "Chess", "Go", "Shogi"),
    case("from five on", "5. Jazz\n6. Blues\n7. Ska", "Jazz", "Blues", "Ska"),
    case("a single missing one", "Here is the missing topic:\n\n17. Ska", "Ska"),
    case("all ones", "1. Jazz\n1. Blues\n1. Ska", "Jazz", "Blues", "Ska"),
    case(
        "ten and more",
        "\n".join(f"{n}. Item {chr(64 + n)}" for n in range(1, 13)),
        *(f"Item {chr(64 + n)}" for n in range(1, 13)),
    ),
    case("right-aligned", " 9. Jazz\n10. Blues\n11. Ska", "Jazz", "Blues", "Ska"),
    case("first line has lost its indent", "1. Jazz\n 2. Blues\n 3. Ska", "Jazz", "Blues", "Ska"),
    case("indented", "Topics:\n\n    1. Jazz\n    2. Blues", "Jazz", "Blues"),
    case("blank lines between", "1. Jazz\n\n2. Blues\n\n\n3. Ska\n", "Jazz", "Blues", "Ska"),
    case("windows line ends", "1. Jazz\r\n2. Blues\r\n\r\n3. Ska\r\n", "Jazz", "Blues", "Ska"),
    case("no-break spaces", "1.\u00a0Jazz\n2.\u00a0Blues\u00a0", "Jazz", "Blues"),
    case("zero-width and BOM", "\ufeff1. Jazz\u200b\n\u200b2. Blues", "Jazz", "Blues"),
    case("tabs", "1.\tJazz\n2.\tBlues", "Jazz", "Blues"),
    case("years", "1. 1984\n2. 2001\n3. 2024-01-02", "1984", "2001", "2024-01-02"),
    case(
        "values",
        "1. Yes\n2. null\n3. 12:30\n4. true\n5. 3.14",
        "Yes",
        "null",
        "12:30",
        "true",
        "3.14",
    ),
    case(
        "nasty texts",
        "1. Topic: sub\n2. # hash\n3. {x} in braces\n4. [y]\n5. 3 Idiots",
        "Topic: sub",
        "# hash",
        "{x} in braces",
        "[y]",
        "3 Idiots",
    ),
    case(
        "headings with numbers", "### 1. Jazz\n\n### 2. Blues\n\n### 3. Ska", "Jazz", "Blues", "Ska"
    ),
    case(
        "problems under headings",
        "### Problem 1\nFind x if 2x = 6.\n\n### Problem 2\nFind the area of a square of side 3.",
        "Find x if 2x = 6.",
        "Find the area of a square of side 3.",
    ),
    case(
        "labelled questions",
        "Question 1: Why is the sky blue?\nQuestion 2: Why do cats purr?",
        "Why is the sky blue?",
        "Why do cats purr?",
    ),
    case(
        "bold labels",
        "**Question 1:** Why is the sky blue?\n\n**Question 2:** Why do cats purr?",
        "Why is the sky blue?",
        "Why do cats purr?",
    ),
    case(
        "German labels",
        "Frage 1: Warum ist der Himmel blau?\nFrage 2: Warum schnurren Katzen?",
        "Warum ist der Himmel blau?",
        "Warum schnurren Katzen?",
    ),
    case(
        "Q labels",
        "Q1. Why is grass green?\nQ2. Who was Ada Lovelace?",
        "Why is grass green?",
        "Who was Ada Lovelace?",
    ),
    case(
        "Chinese labels",
        "问题1：天空为什么是蓝色的？\n问题2：猫为什么打呼噜？",
        "天空为什么是蓝色的？",
        "猫为什么打呼噜？",
    ),
    case(
        "bold titles kept",
        "1. **Jazz**: swing and blue notes\n2. **Ska** - offbeat guitars",
        "**Jazz**: swing and blue notes",
        "**Ska** - offbeat guitars",
    ),
    case("bold items", "1. **Jazz**\n2. **Ska**", "Jazz", "Ska"),
    case("italic items", "1. *Hamlet*\n2. *Macbeth*", "Hamlet", "Macbeth"),
    case("quoted items", '1. "Jazz"\n2. "Ska"', "Jazz", "Ska"),
    case(
        "quotes inside",
        '1. "Imagine" by John Lennon\n2. The song "Help!" and "Yesterday"',
        '"Imagine" by John Lennon',
        'The song "Help!" and "Yesterday"',
    ),
    case(
        "two quoted parts",
        "1. \"Foo\" and \"Bar\"\n2. 'Foo' or 'Bar'",
        '"Foo" and "Bar"',
        "'Foo' or 'Bar'",
    ),
    case("numbered bullets", "- 1. Jazz\n- 2. Blues\n- 3. Ska", "Jazz", "Blues", "Ska"),
    case("bulleted numbers", "1. - Jazz\n2. - Blues", "Jazz", "Blues"),
    case(
        "German",
        "Gerne! Hier sind drei Themen:\n\n1. Der Öffentliche Nahverkehr\n2. Küche & Kultur\n"
        "3. Die Energiewende\n\nSag mir Bescheid, wenn du mehr brauchst!",
        "Der Öffentliche Nahverkehr",
        "Küche & Kultur",
        "Die Energiewende",
    ),
    case(
        "Japanese",
        "以下は3つのトピックです：\n\n1. 日本の祭り\n2. 和食の歴史\n3. 俳句\n\n他にもご希望があれば教えてください。",
        "日本の祭り",
        "和食の歴史",
        "俳句",
    ),
    case(
        "programming",
        "1. Write `hello()` in C++\n2. What does `a[i] = {0}` do?\n3. __init__",
        "Write `hello()` in C++",
        "What does `a[i] = {0}` do?",
        "__init__",
    ),
    case(
        "decimals at the start",
        "1. 3.5 million years ago\n2. 1.5 °C of warming",
        "3.5 million years ago",
        "1.5 °C of warming",
    ),
]

BULLETED = [
    *(
        case(f"bullet {mark}", f"{mark} Rome\n{mark} Athens\n{mark} Troy", "Rome", "Athens", "Troy")
        for mark in "-*•–—◦·▪●+→‣∙■►➤✓✅🔹"
    ),
    case("dots without a space", "•Rome\n•Athens", "Rome", "Athens"),
    case("hyphens without a space", "-Rome\n-Athens\n-Troy", "Rome", "Athens", "Troy"),
    case("Japanese middle dots", "・京都\n・奈良\n・鎌倉", "京都", "奈良", "鎌倉"),
    case("boxes", "- [ ] Rome\n- [x] Athens\n- [X] Troy", "Rome", "Athens", "Troy"),
    case("boxes alone", "☐ Rome\n☑ Athens", "Rome", "Athens"),
    case(
        "every named item",
        "- 1984\n- Yes\n- 12:30\n- 2024-01-02\n- null\n- Topic: sub\n- # hash\n- {x} marks the spot\n- no\n- 0x1F\n- ~",
        "1984",
        "Yes",
        "12:30",
        "2024-01-02",
        "null",
        "Topic: sub",
        "# hash",
        "{x} marks the spot",
        "no",
        "0x1F",
        "~",
    ),
    case(
        "case is kept",
        "- iPhone\n- eBay\n- NASA\n- ÖBB\n- école",
        "iPhone",
        "eBay",
        "NASA",
        "ÖBB",
        "école",
    ),
    case("doubled", "- - Rome\n- - Athens", "Rome", "Athens"),
    case("minus numbers", "- -5 degrees\n- +1 for effort", "-5 degrees", "+1 for effort"),
    case("quotes with commas", '- "Rome",\n- "Athens",\n- "Troy"', "Rome", "Athens", "Troy"),
    case("curly quotes", "- “Rome”\n- “Athens”", "Rome", "Athens"),
    case("guillemets", "- « Rome »\n- «Athènes»", "Rome", "Athènes"),
    case("German quotes", "- „Straßenbahn“\n- „Fähre“", "Straßenbahn", "Fähre"),
    case("corner brackets", "- 「京都」\n- 『奈良』", "京都", "奈良"),
    case("code", "- `map`\n- `filter`", "map", "filter"),
    case(
        "links stay",
        "- [Rome](https://example.org/rome)\n- https://example.org: a page",
        "[Rome](https://example.org/rome)",
        "https://example.org: a page",
    ),
    case(
        "LaTeX stays",
        "- Solve $x^2 = 2$\n- $$e^{i\\pi} = -1$$",
        "Solve $x^2 = 2$",
        "$$e^{i\\pi} = -1$$",
    ),
    case(
        "emoji stay",
        "- 🌍 Climate\n- 🚀 Space\n- 👨‍👩‍👧 Family",
        "🌍 Climate",
        "🚀 Space",
        "👨‍👩‍👧 Family",
    ),
    case("Hindi", "- कृषि\n- शिक्षा और रोज़गार\n- योग", "कृषि", "शिक्षा और रोज़गार", "योग"),
    case(
        "Arabic",
        "بالتأكيد! إليك بعض المواضيع:\n\n- الخط العربي\n- القهوة: تاريخها وثقافتها",
        "الخط العربي",
        "القهوة: تاريخها وثقافتها",
    ),
    case("one only", "- Rome", "Rome"),
    case("a rule before and after", "---\n- Rome\n- Athens\n---", "Rome", "Athens"),
    case("heading", "## Topics\n\n- Rome\n- Athens", "Rome", "Athens"),
    case("adjacent remark", "- Rome\n- Athens\nLet me know if you need more!", "Rome", "Athens"),
]

WORDS_AROUND = [
    case("sure", "Sure! Here are 3 topics:\n1. Owls\n2. Bats\n3. Moths", "Owls", "Bats", "Moths"),
    case(
        "sentence without colon",
        "Certainly. I picked topics for a general audience.\n\n1. Owls\n2. Bats",
        "Owls",
        "Bats",
    ),
    case(
        "remark", "1. Owls\n2. Bats\n\nLet me know if you would like more topics!", "Owls", "Bats"
    ),
    case(
        "two remarks",
        "- Owls\n- Bats\n\nI hope this helps.\n\nFeel free to ask for more.",
        "Owls",
        "Bats",
    ),
    case(
        "remark in French",
        "Voici deux sujets :\n\n1. Hiboux\n2. Chauves-souris\n\nN'hésitez pas à en demander d'autres.",
        "Hiboux",
        "Chauves-souris",
    ),
    case(
        "remark in Chinese",
        "好的，以下是两个主题：\n\n1. 猫头鹰\n2. 蝙蝠\n\n希望这些对您有帮助！",
        "猫头鹰",
        "蝙蝠",
    ),
    case(
        "remark after a rule",
        "1. Owls\n2. Bats\n\n---\nThese topics cover the night.",
        "Owls",
        "Bats",
    ),
    case("note", "1. Owls\n2. Bats\n\n*Note: both fly.*", "Owls", "Bats"),
    case(
        "thought",
        "<think>Maybe:\n1. Foxes\n2. Bears\nno, birds.</think>\n1. Owls\n2. Bats",
        "Owls",
        "Bats",
    ),
    case(
        "thought begun by the template",
        "Maybe foxes\n- foxes\n</think>\n\n- Owls\n- Bats",
        "Owls",
        "Bats",
    ),
    case(
        "thought without end",
        "<think>1. Foxes\n2. Bears",
    ),
    case("bold heading", "**Topics about the night**\n\n- Owls\n- Bats", "Owls", "Bats"),
    case("sections of bullets", "Category A:\n- x\n- y\nCategory B:\n- z", "x", "y", "z"),
    case(
        "sections with headings",
        "## Birds\n- Owl\n- Wren\n\n## Mammals\n- Bat",
        "Owl",
        "Wren",
        "Bat",
    ),
    case(
        "sections with bold headings",
        "**Birds**\n1. Owl\n2. Wren\n\n**Mammals**\n1. Bat",
        "Owl",
        "Wren",
        "Bat",
    ),
    case(
        "sections that count on",
        "Birds:\n1. Owl\n2. Wren\n\nMammals:\n3. Bat",
        "Owl",
        "Wren",
        "Bat",
    ),
    case(
        "sections of plain headings",
        "Physics\n- Light\n- Sound\n\nChemistry\n- Acids",
        "Light",
        "Sound",
        "Acids",
    ),
    case(
        "sections with another bullet", "Birds:\n- Owl\nMammals:\n* Bat\n* Fox", "Owl", "Bat", "Fox"
    ),
    case(
        "notes after a heading",
        "1. Owls\n2. Bats\n\nNotes:\n- Both fly.\n- Both hunt.",
        "Owls",
        "Bats",
    ),
    case("leaked end", "1. Owls\n2. Bats<|im_end|>", "Owls", "Bats"),
    case("leaked end of sequence", "- Owls\n- Bats</s>", "Owls", "Bats"),
]

NESTED = [
    case(
        "explained titles",
        "1. **Energy**\n   - solar\n   - wind\n2. **Traffic**\n   - trams",
        "Energy",
        "Traffic",
    ),
    case(
        "explained without an indent",
        "1. **Energy**\n- solar\n- wind\n2. **Traffic**\n- trams",
        "Energy",
        "Traffic",
    ),
    case(
        "explained after blank lines",
        "1. **Energy:**\n\n   * solar\n\n2. **Traffic:**\n\n   * trams\n",
        "Energy",
        "Traffic",
    ),
    case(
        "bullets in bullets",
        "- Energy\n  - solar\n  - wind\n- Traffic\n  - trams",
        "Energy",
        "Traffic",
    ),
    case(
        "bullets of two kinds", "* Energy\n    + solar\n* Traffic\n    + trams", "Energy", "Traffic"
    ),
    case(
        "numbers in numbers",
        "1. Energy\n   1. solar\n   2. wind\n2. Traffic\n   1. trams",
        "Energy",
        "Traffic",
    ),
    case(
        "numbers with points",
        "1. Energy\n   1.1 solar\n   1.2 wind\n2. Traffic",
        "Energy",
        "Traffic",
    ),
    case("tabs", "- Energy\n\t- solar\n- Traffic\n\t- trams", "Energy", "Traffic"),
    case(
        "title with colon", "1. Energy:\n   - solar\n2. Traffic:\n   - trams", "Energy", "Traffic"
    ),
    case(
        "headings with numbers and bullets",
        "### 1. Energy\n- solar\n- wind\n\n### 2. Traffic\n- trams",
        "Energy",
        "Traffic",
    ),
    case(
        "a task with parts",
        "1. Write a program that does the following:\n   - reads a file\n   - prints its lines\n2. Write a parser.",
        "Write a program that does the following:\n- reads a file\n- prints its lines",
        "Write a parser.",
    ),
    case(
        "multiple choice",
        "1. Which one is a mammal?\n   a) Owl\n   b) Bat\n2. Which one is a bird?\n   a) Owl\n   b) Bat",
        "Which one is a mammal?\na) Owl\nb) Bat",
        "Which one is a bird?\na) Owl\nb) Bat",
    ),
    case(
        "multiple choice without an indent",
        "1. Which one is a mammal?\na) Owl\nb) Bat\n\n2. Which one is a bird?\na) Owl\nb) Bat",
        "Which one is a mammal?\na) Owl\nb) Bat",
        "Which one is a bird?\na) Owl\nb) Bat",
    ),
    case(
        "continued lines",
        "1. A train leaves at 8\n   and arrives at 9.\n2. Another one.",
        "A train leaves at 8\nand arrives at 9.",
        "Another one.",
    ),
    case(
        "continued without an indent",
        "1. A train leaves at 8\nand arrives at 9.\n2. Another one.",
        "A train leaves at 8\nand arrives at 9.",
        "Another one.",
    ),
    case(
        "title and description",
        "1. **Energy**\n   How we get it.\n2. **Traffic**\n   How we move.",
        "**Energy**\nHow we get it.",
        "**Traffic**\nHow we move.",
    ),
    case(
        "paragraphs",
        "1. A farmer has 12 hens.\n\n   Each lays 5 eggs.\n\n   How many eggs?\n\n2. A car drives 60 km.\n\nGood luck!",
        "A farmer has 12 hens.\n\nEach lays 5 eggs.\n\nHow many eggs?",
        "A car drives 60 km.",
    ),
    case(
        "paragraphs without an indent",
        "1. A farmer has 12 hens.\n\nHow many eggs in a day?\n\n2. A car drives 60 km.\n\nHow long does it take?\n\nLet me know if you need solutions!",
        "A farmer has 12 hens.\n\nHow many eggs in a day?",
        "A car drives 60 km.\n\nHow long does it take?",
    ),
    case(
        "displayed formulas",
        "1. Solve for x:\n\n$$\nx^2 - 4 = 0\n$$\n\n2. Integrate:\n\n\\[\n\\int_0^1 x\\,dx\n\\]\n\nHave fun!",
        "Solve for x:\n\n$$\nx^2 - 4 = 0\n$$",
        "Integrate:\n\n\\[\n\\int_0^1 x\\,dx\n\\]",
    ),
    case(
        "formulas with signs",
        "1. Solve:\n\n$$\nx\n+ 3\n- 4\n$$\n\n2. Solve:\n\n\\[\n- x = 5\n\\]",
        "Solve:\n\n$$\nx\n+ 3\n- 4\n$$",
        "Solve:\n\n\\[\n- x = 5\n\\]",
    ),
    case(
        "rules between problems",
        "**Problem 1**\n\nA farmer has hens.\n\nHow many?\n\n---\n\n**Problem 2**\n\nA car drives.\n\nHow far?",
        "A farmer has hens.\n\nHow many?",
        "A car drives.\n\nHow far?",
    ),
    case(
        "code in an item",
        "1. What does this print?\n   ```python\n   for i in range(3):\n       print(i)\n   ```\n2. Write a loop.",
        "What does this print?\n```python\nfor i in range(3):\n    print(i)\n```",
        "Write a loop.",
    ),
    case(
        "code without an indent",
        "1. Fix this function:\n\n```python\ndef f(x):\n\n    # 1. a comment\n    return x\n```\n\n2. Explain it:\n\n```c\nint x;\n```\n",
        "Fix this function:\n\n```python\ndef f(x):\n\n    # 1. a comment\n    return x\n```",
        "Explain it:\n\n```c\nint x;\n```",
    ),
    case(
        "items counted on at depth",
        "1. Energy\n   2. Traffic\n   3. Water",
        "Energy",
        "Traffic",
        "Water",
    ),
]

JSON = [
    case("array", '["Owls", "Bats", "Moths"]', "Owls", "Bats", "Moths"),
    case("array over lines", '[\n  "Owls",\n  "Bats"\n]', "Owls", "Bats"),
    case("fenced", '```json\n["Owls", "Bats"]\n```', "Owls", "Bats"),
    case(
        "fenced with words",
        'Here is the JSON:\n\n```json\n["Owls", "Bats"]\n```\n\nLet me know!',
        "Owls",
        "Bats",
    ),
    case("fenced without a language", '```\n["Owls", "Bats"]\n```', "Owls", "Bats"),
    case("fence without end", '```json\n["Owls", "Bats"]', "Owls", "Bats"),
    case("preface on the line", 'Here you go: ["Owls", "Bats"]', "Owls", "Bats"),
    case("words around", 'Sure:\n["Owls", "Bats"]\nI hope this helps!', "Owls", "Bats"),
    case(
        "values",
        '[1984, null, true, false, 3.50, "null", "Yes", -1e3]',
        "1984",
        "null",
        "true",
        "false",
        "3.50",
        "null",
        "Yes",
        "-1e3",
    ),
    case(
        "nasty strings",
        '["12:30", "Topic: sub", "# hash", "{x} y", "2024-01-02", "[z]", "- a", "a, b"]',
        "12:30",
        "Topic: sub",
        "# hash",
        "{x} y",
        "2024-01-02",
        "[z]",
        "- a",
        "a, b",
    ),
    case(
        "escapes",
        r'["caf\u00e9", "say \"hi\"", "a\nb", "back\\slash", "\ud83c\udf0d"]',
        "café",
        'say "hi"',
        "a\nb",
        "back\\slash",
        "🌍",
    ),
    case("object around", '{"topics": ["Owls", "Bats"]}', "Owls", "Bats"),
    case(
        "object with more",
        '{"count": 2, "language": "en", "topics": ["Owls", "Bats"]}',
        "Owls",
        "Bats",
    ),
    case("object twice", '{"result": {"items": ["Owls", "Bats"]}}', "Owls", "Bats"),
    case("sections", '{"Birds": ["Owl", "Wren"], "Mammals": ["Bat"]}', "Owl", "Wren", "Bat"),
    case("numbered keys", '{"1": "Owls", "2": "Bats"}', "Owls", "Bats"),
    case("named keys", '{"topic1": "Owls", "topic2": "Bats"}', "Owls", "Bats"),
    case("objects", '[{"topic": "Owls"}, {"topic": "Bats"}]', "Owls", "Bats"),
    case(
        "objects with ids",
        '[{"id": 1, "name": "Owls", "description": "Night."}, {"id": 2, "name": "Bats", "description": "Also."}]',
        "Owls",
        "Bats",
    ),
    case("questions and answers", '[{"answer": "42", "question": "Why?"}]', "Why?"),
    case(
        "unknown fields",
        '[{"nr": 1, "vogel": "Eule"}, {"nr": 2, "vogel": "Specht"}]',
        "Eule",
        "Specht",
    ),
    case("trailing comma", '["Owls", "Bats",]', "Owls", "Bats"),
    case("single quotes", "['Owls', 'Bats']", "Owls", "Bats"),
    case("apostrophes in single quotes", "['The bat's wing', 'Owls']", "The bat's wing", "Owls"),
    case("unescaped quotes", '["He said "hi" twice", "Owls"]', 'He said "hi" twice', "Owls"),
    case("curly quotes", "[“Owls”, “Bats”]", "Owls", "Bats"),
    case(
        "comments", '[\n  "Owls", // of the night\n  # and\n  "Bats" /* too */\n]', "Owls", "Bats"
    ),
    case("comma is missing", '[\n  "Owls"\n  "Bats"\n]', "Owls", "Bats"),
    case("cut off in a string", '["Owls", "Bats", "Mot', "Owls", "Bats"),
    case("cut off after a comma", '{"topics": ["Owls", "Bats",', "Owls", "Bats"),
    case(
        "cut off in an object",
        '[{"topic": "Owls"}, {"topic": "Bats"}, {"topic": "Mo',
        "Owls",
        "Bats",
    ),
    case(
        "cut off in a fence",
        '```json\n{\n  "topics": [\n    "Owls",\n    "Bats",\n    "Mo',
        "Owls",
        "Bats",
    ),
    case("lines", '{"topic": "Owls"}\n{"topic": "Bats"}', "Owls", "Bats"),
    case("lines of strings", '"Owls"\n"Bats"\n"Moths"', "Owls", "Bats", "Moths"),
    case("lines with commas", '"Owls",\n"Bats",\n"Moths"', "Owls", "Bats", "Moths"),
    case("Python", "topics = [\"Owls\", 'Bats', None, True]", "Owls", "Bats", "None", "True"),
    case(
        "fenced Python", '```python\ntopics = [\n    "Owls",\n    "Bats",\n]\n```', "Owls", "Bats"
    ),
    case("JavaScript", 'const topics = [\n  "Owls",\n  "Bats",\n];', "Owls", "Bats"),
    case("objects side by side", '{"topics": ["Owls"]}{"topics": ["Bats"]}', "Owls", "Bats"),
    case("not closed before a remark", '["Owls", "Bats"\n\nLet me know!', "Owls", "Bats"),
    case(
        "names and what they are",
        '[{"Owls": "birds"}, {"Bats": "mammals"}]',
        "Owls: birds",
        "Bats: mammals",
    ),
    case("a numbered text in an object", '{"topics": "1. Owls\\n2. Bats"}', "Owls", "Bats"),
    case("tuple", '("Owls", "Bats")', "Owls", "Bats"),
    case("numbers in the strings", '["1. Owls", "2. Bats", "3. Moths"]', "Owls", "Bats", "Moths"),
    case(
        "LaTeX unescaped",
        r'["Compute \frac{1}{2} + \beta", "Is \(x\) \times 2 even?"]',
        r"Compute \frac{1}{2} + \beta",
        r"Is \(x\) \times 2 even?",
    ),
    case("LaTeX escaped", r'["Compute $\\frac{1}{2}$"]', r"Compute $\frac{1}{2}$"),
    case("raw line break", '["Owls\nand wrens", "Bats"]', "Owls\nand wrens", "Bats"),
    case("Chinese", '["猫头鹰", "蝙蝠"]', "猫头鹰", "蝙蝠"),
    case("empty array", "[]"),
    case("empty array in an object", '{"topics": []}'),
    case("blanks among them", '["Owls", "", "  ", " Bats "]', "Owls", "Bats"),
    case("after a thought", '<think>["no"]</think>{"topics": ["Owls"]}', "Owls"),
    case("arrays in an array", '[["Owls", "Wrens"], ["Bats"]]', "Owls", "Wrens", "Bats"),
    case(
        "not JSON",
        "[WP] A knight wakes up.\n[WP] The last owl.",
        "[WP] A knight wakes up.",
        "[WP] The last owl.",
    ),
]

YAML = [
    case("plain", "- Owls\n- Bats", "Owls", "Bats"),
    case(
        "fenced",
        "```yaml\n- 1984\n- Yes\n- 12:30\n- 2024-01-02\n- null\n- Topic: sub\n- '# hash'\n- \"{x} y\"\n- # hash\n```",
        "1984",
        "Yes",
        "12:30",
        "2024-01-02",
        "null",
        "Topic: sub",
        "# hash",
        "{x} y",
        "# hash",
    ),
    case("under a key", "topics:\n  - Owls\n  - Bats", "Owls", "Bats"),
    case(
        "under a key, fenced, with words",
        "Here is the YAML:\n```yml\ntopics:\n- Owls\n- Bats\n```\nEnjoy!",
        "Owls",
        "Bats",
    ),
    case("document marks", "```yaml\n---\n- Owls\n- Bats\n...\n```", "Owls", "Bats"),
    case(
        "double quotes",
        '- "Topic: sub"\n- "say \\"hi\\""\n- "caf\\u00e9"',
        "Topic: sub",
        'say "hi"',
        "café",
    ),
    case("single quotes", "- 'it''s'\n- 'a: b'", "it's", "a: b"),
    case(
        "literal",
        "- |\n  first\n  second\n- |-\n  third\n    deeper",
        "first\nsecond",
        "third\n  deeper",
    ),
    case(
        "folded",
        "- >\n  first\n  second\n\n  third\n- >-\n  fourth",
        "first second\nthird",
        "fourth",
    ),
    case(
        "folded plain",
        "```yaml\n- a long text that\n  goes on\n- short\n```",
        "a long text that goes on",
        "short",
    ),
    case(
        "mappings",
        "```yaml\n- topic: Owls\n  why: they fly\n- topic: Bats\n  why: they too\n```",
        "Owls",
        "Bats",
    ),
    case("flow", "topics: [Owls, Bats, Moths]", "Owls", "Bats", "Moths"),
    case("flow with quotes", "```yaml\ntopics: ['Owls', \"Bats\"]\n```", "Owls", "Bats"),
    case("sections", "```yaml\nbirds:\n  - Owl\nmammals:\n  - Bat\n```", "Owl", "Bat"),
    case(
        "colons and hashes",
        "- C#: a language\n- note # not a comment\n- a: b: c",
        "C#: a language",
        "note # not a comment",
        "a: b: c",
    ),
]

TABLES = [
    case(
        "numbers first",
        "| # | Topic | Level |\n|---|---|---|\n| 1 | Owls | easy |\n| 2 | Bats | hard |",
        "Owls",
        "Bats",
    ),
    case(
        "texts first", "| Topic | Level |\n|:---|---:|\n| Owls | 1 |\n| Bats | 2 |", "Owls", "Bats"
    ),
    case("no outer bars", "Topic | Level\n--- | ---\nOwls | easy\nBats | hard", "Owls", "Bats"),
    case(
        "words around",
        "Here is a table:\n\n| Topic |\n|---|\n| Owls |\n| **Bats** |\n\nHope it helps!",
        "Owls",
        "Bats",
    ),
    case("escaped bars", "| Topic |\n|---|\n| a \\| b |\n| `c` |", "a | b", "c"),
    case(
        "years are items", "| Year | Event |\n|---|---|\n| 1984 | x |\n| 2001 | y |", "1984", "2001"
    ),
    case(
        "fenced",
        "```markdown\n| No. | Topic |\n|---|---|\n| 1. | Owls |\n| 2. | Bats |\n```",
        "Owls",
        "Bats",
    ),
    case(
        "empty cells",
        "| # | Topic |\n|---|---|\n| 1 | Owls |\n| 2 |  |\n| 3 | Bats |",
        "Owls",
        "Bats",
    ),
    case("Chinese", "| 序号 | 主题 |\n|---|---|\n| 1 | 猫头鹰 |\n| 2 | 蝙蝠 |", "猫头鹰", "蝙蝠"),
]

TAGS = [
    case("ul", "<ul>\n<li>Owls</li>\n<li>Bats</li>\n</ul>", "Owls", "Bats"),
    case("ol on a line", "<ol><li>Owls</li><li>Bats &amp; moths</li></ol>", "Owls", "Bats & moths"),
    case("li not closed", "<ul>\n<li>Owls\n<li>Bats\n</ul>", "Owls", "Bats"),
    case(
        "li with attributes",
        '<ol type="1"><li class="a"><b>Owls</b></li><li>Bats<br></li></ol>',
        "Owls",
        "Bats",
    ),
    case(
        "nested",
        "<ul><li>Energy<ul><li>solar</li></ul></li><li>Traffic</li></ul>",
        "Energy",
        "Traffic",
    ),
    case("fenced", "```html\n<ul>\n  <li>Owls</li>\n  <li>Bats</li>\n</ul>\n```", "Owls", "Bats"),
    case("elements", "<topic>Owls</topic>\n<topic>Bats</topic>", "Owls", "Bats"),
    case(
        "elements in an element",
        "<topics>\n  <topic>Owls</topic>\n  <topic>Bats</topic>\n</topics>",
        "Owls",
        "Bats",
    ),
    case(
        "words around",
        "Here they are:\n\n<question>Why?</question>\n<question>How?\nAnd when?</question>\n\nDone.",
        "Why?",
        "How?\nAnd when?",
    ),
    case("numbered inside an element", "<list>\n1. Owls\n2. Bats\n</list>", "Owls", "Bats"),
    case("one element", "<topic>Owls</topic>", "Owls"),
    case(
        "fields",
        "<item><id>1</id><topic>Owls</topic></item><item><id>2</id><topic>Bats</topic></item>",
        "Owls",
        "Bats",
    ),
    case(
        "tags are the subject",
        "1. What does <b>bold</b> do?\n2. Use <ul><li>x</li></ul> in a page.",
        "What does <b>bold</b> do?",
        "Use <ul><li>x</li></ul> in a page.",
    ),
    case("cut off", "<topic>Owls</topic>\n<topic>Bats</topic>\n<topic>Mot", "Owls", "Bats"),
]

PLAIN = [
    case("quoted on a line", '"Owls", "Bats"', "Owls", "Bats"),
    case("lines", "Owls\nBats\nMoths", "Owls", "Bats", "Moths"),
    case(
        "named items",
        "1984\n3 Idiots\n12:30\n2024-01-02\nYes\nnull\nTopic: sub\n{x} marks it\n24: Live Another Day",
        "1984",
        "3 Idiots",
        "12:30",
        "2024-01-02",
        "Yes",
        "null",
        "Topic: sub",
        "{x} marks it",
        "24: Live Another Day",
    ),
    case("preface", "Here are some topics:\nOwls\nBats", "Owls", "Bats"),
    case(
        "preface and blank line",
        "Sure, here are the topics you asked for:\n\nOwls\nBats\n\nI hope this helps!",
        "Owls",
        "Bats",
    ),
    case("preface sentence", "Sure! I chose animals of the night.\n\nOwls\nBats", "Owls", "Bats"),
    case("blank lines between", "Owls\n\nBats\n\nMoths", "Owls", "Bats", "Moths"),
    case("Chinese preface", "以下是主题：\n猫头鹰\n蝙蝠", "猫头鹰", "蝙蝠"),
    case("bold lines", "**Owls**\n**Bats**", "Owls", "Bats"),
    case("quoted lines", "“Owls”\n“Bats”", "Owls", "Bats"),
    case("single quoted lines", "'Owls'\n'It's a bat's life'", "Owls", "It's a bat's life"),
    case("lines with commas", "Owls,\nBats,\nMoths", "Owls", "Bats", "Moths"),
    case("one", "Owls", "Owls"),
    case("one quoted", '"Owls"', "Owls"),
    case("comma line", "red, green, blue", "red", "green", "blue"),
    case(
        "comma line with preface",
        "Colours: red, green, dark blue, and black.",
        "red",
        "green",
        "dark blue",
        "black",
    ),
    case(
        "comma line after preface",
        "Here are the colours:\n\nred, green, blue",
        "red",
        "green",
        "blue",
    ),
    case("Japanese comma line", "赤、青、緑", "赤", "青", "緑"),
    case("Arabic comma line", "أحمر، أخضر، أزرق", "أحمر", "أخضر", "أزرق"),
    case(
        "sentence with commas",
        "When I woke up, the owls, the bats and the moths had gone.",
        "When I woke up, the owls, the bats and the moths had gone.",
    ),
    case("place with a comma", "Paris, Texas", "Paris, Texas"),
    case("title with commas", "Love, War, and Peace", "Love, War, and Peace"),
    case(
        "questions",
        "Why is the sky blue?\nWhy do cats purr, sleep, and hunt?",
        "Why is the sky blue?",
        "Why do cats purr, sleep, and hunt?",
    ),
    case("fenced text", "```text\nOwls\nBats\n```", "Owls", "Bats"),
    case("fenced list", "Here:\n```list\n1. Owls\n2. Bats\n```", "Owls", "Bats"),
    case("fenced without a language", "```\nOwls\nBats\n```", "Owls", "Bats"),
    case("heading", "# Topics\nOwls\nBats", "Owls", "Bats"),
    case(
        "names with initials",
        "J. K. Rowling\nA. Christie\nI. Asimov",
        "J. K. Rowling",
        "A. Christie",
        "I. Asimov",
    ),
    case(
        "a marker in the middle",
        "Bayern München\nHertha BSC\nWerder Bremen\n1. FC Köln",
        "Bayern München",
        "Hertha BSC",
        "Werder Bremen",
        "1. FC Köln",
    ),
    case("years with dashes", "1984 - Orwell\n1985 - Burgess", "1984 - Orwell", "1985 - Burgess"),
    case("hard breaks", "Owls\\\nBats\\\nMoths  ", "Owls", "Bats", "Moths"),
    case("Hindi", "विषय:\nकृषि\nशिक्षा", "कृषि", "शिक्षा"),
    case("windows", "Owls\r\nBats\r\n", "Owls", "Bats"),
]

NOTHING = [
    case("empty", ""),
    case("white space", " \n\t\u00a0\u200b\ufeff\r\n"),
    case("rule", "---"),
    case("preface alone", "Sure! Here are 10 topics:"),
    case("refusal", "I'm sorry, but I can't help with that."),
    case("curly refusal", "I’m sorry, but I can’t assist with that request."),
    case(
        "longer refusal",
        "I cannot provide a list of such topics.\n\nIf you want, I can help with something else.",
    ),
    case("refusal as a model", "As an AI language model, I cannot create this list."),
    case("German refusal", "Es tut mir leid, aber dabei kann ich nicht helfen."),
    case("Chinese refusal", "抱歉，我无法提供这样的内容。"),
    case("empty fence", "```\n```"),
    case("heading alone", "## Topics"),
    case("bullet alone", "-"),
    case("numbers alone", "1.\n2.\n3."),
    case("thought alone", "<think>hm</think>"),
]

GROUPS = {
    "numbered": NUMBERED, "bulleted": BULLETED, "around": WORDS_AROUND, "nested": NESTED,
    "json": JSON, "yaml": YAML, "tables": TABLES, "tags": TAGS, "plain": PLAIN, "nothing": NOTHING,
}  # fmt: skip
CASES = [Case(f"{group}: {c.name}", c.reply, c.items) for group, cs in GROUPS.items() for c in cs]
