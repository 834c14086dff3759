"""Words that models put around what they were asked for, and names that they give it.

Only what is certain enough to drop: a preface or remark that stands here is never an item.
"""

from __future__ import annotations

import re

NOUNS = (
    "q|question|sub-?question|problem|task|topic|sub-?topic|exercise|prompt|instruction|request|"
    "challenge|query|frage|aufgabe|thema|aufforderung|anweisung|pregunta|tarea|tema|"
    "ejercicio|problema|instrucción|tâche|sujet|exercice|problème|consigne|domanda|compito|"
    "argomento|pergunta|tarefa|вопрос|задача|задание|тема|问题|題目|题目|主题|任务|指令|问|題|题|"
    "質問|問題|課題|トピック|タスク|指示|질문|문제|주제|سؤال|السؤال|موضوع|الموضوع|مهمة|المهمة|"
    "प्रश्न|सवाल|विषय|कार्य"
)
"""What a recipe asks for, as a model labels it."""

_KINDS = (
    "refined|revised|rewritten|re-?phrased|improved|new|final|updated|evolved|created|modified|"
    "enhanced|harder|complex|more complex|generated|original|math|coding|given|possible|"
    "überarbeitete|verfeinerte|verbesserte|neue|refinada|nueva|mejorada|改写后的|优化后的|新的|改进的|修订后的"
)

LABEL = re.compile(
    rf"[#*_\s]{{0,8}}(?:(?:the|your|my|die|la|el) )?(?:(?:{_KINDS})\s?){{0,3}}"
    rf"(?:{NOUNS})s?[#*_]{{0,4}}\s?[:：][#*_]{{0,4}}(?=\s|[^\x00-\u02ff]|\Z)",
    re.IGNORECASE,
)
"""`Question:`, `**Revised Task:**`, `#Rewritten Prompt#:` at the beginning of a text."""

HEADING = re.compile(
    rf"(?:#{{1,6}} {{1,4}}\**|\*\*)(?:(?:{_KINDS})\s?){{0,3}}(?:{NOUNS})\**[:：]?\**\s*\Z",
    re.IGNORECASE,
)
"""The same as a heading or in bold, on a line of its own."""

_HERE = (
    r"here(?:['’]s| is| are| you go| it is)|(?:hier|dies) (?:ist|sind)|voici|aquí (?:está|tienes)|"
    r"aqui está|ecco|вот|以下是|这是|這是|以下は|こちら|إليك|यहाँ|यह रहा"
)
_EAGER = (
    r"sure(?: thing)?|certainly|of course|absolutely|okay|ok|great|got it|gerne|natürlich|"
    r"bien sûr|claro|por supuesto|certo|конечно|好的|当然|はい|もちろん|بالتأكيد|ज़रूर"
)

PREFACE = re.compile(rf"(?:(?:{_EAGER})\b|(?:{_HERE}))", re.IGNORECASE)
"""How a sentence begins that leads up to what was asked for."""

EAGER = re.compile(
    r"(?:sure(?: thing)?|certainly|of course|absolutely|gerne|natürlich|bien sûr|claro|"
    r"por supuesto|好的|当然|もちろん|بالتأكيد)[!,.，。！،]",
    re.IGNORECASE,
)
"""How a paragraph begins that only says yes to the request."""

ANNOUNCED = re.compile(
    rf"(?:(?:{_EAGER})[\s,.!，。！]{{1,4}})?(?:{_HERE})\s?[^:：\n]{{0,120}}?"
    rf"(?:{NOUNS}|version|revision|rewrite)[^:：\n]{{0,80}}[:：]\**(?=\s|[^\x00-\u02ff])",
    re.IGNORECASE,
)
"""`Here is the refined question:` with a word for what was asked."""

REMARK = re.compile(
    r"[(*_]{0,3}(?:let me know\b|i hope (?:this|these|that|you)\b|hope (?:this|these|that) |"
    r"feel free to\b|would you like me\b|do you want me\b|please let me\b|if you(?:['’]d| would)? "
    r"(?:need|like|want|have)\b.{0,80}\b(?:more|let me|feel free|happy|glad|help)|"
    r"(?:these|this list|the above) (?:topics|questions|items|tasks|problems|prompts|ideas|covers|"
    r"list|should|are just)\b|i can (?:also )?(?:provide|help|give|expand)\b|enjoy!|good luck\b|"
    r"sag mir bescheid|lass(?:en sie)? (?:es )?mich wissen|ich hoffe,|wenn du (?:mehr|weitere)|"
    r"n['’]hésitez pas|j['’]espère|avísame|espero que|fammi sapere|spero che|me avise|"
    r"希望这些|希望这|如果您|如果你需要|如需|他にも|ご希望|お役に立|أتمنى|إذا كنت|आशा है|यदि आप)",
    re.IGNORECASE,
)
"""How a closing remark begins."""

REFUSAL = re.compile(
    r"(?:(?:i['’]?m|i am) (?:really |very |so )?(?:sorry|afraid|unable|not able)\b.{0,60}?"
    r"(?:can(?:no|['’])t|unable|not able|won['’]t|will not|don['’]t|help|assist|provide|comply)|"
    r"(?:sorry|unfortunately|apologies|i apologi[sz]e)\b.{0,40}?\bi (?:can(?:no|['’])t|won['’]t|am|"
    r"don['’]t)|i (?:can(?:no|['’])t|can not|won['’]t|will not|must decline to) (?:help|assist|"
    r"provide|create|generate|fulfill|comply|do|write|answer|produce|give|make|list|offer|engage|"
    r"support|continue|participate)\b|as an ai\b.{0,60}?\bi\b|es tut mir leid\b|entschuldigung, |"
    r"je suis désolée?\b|lo siento\b, |mi dispiace\b, |desculpe\b, |извините\b|抱歉，|很抱歉|"
    r"对不起，|申し訳(?:ありません|ございません)|عذر[اًا]{1,2}،|मुझे खेद है|क्षमा करें)",
    re.IGNORECASE,
)
"""How a reply begins that refuses."""

FIELDS = (
    "question", "problem", "task", "instruction", "prompt", "query", "exercise", "challenge",
    "request", "subtopic", "topic", "title", "name", "text", "content", "item", "value",
    "keyword", "entity", "concept", "subject", "theme", "idea", "label",
    "frage", "aufgabe", "thema", "titel", "pregunta", "tema", "título", "sujet",
    "问题", "题目", "子主题", "主题", "标题", "名称", "质問", "質問", "課題", "トピック",
)  # fmt: skip
"""Names of the field that holds the item, where a form has several fields; the first that is
there is taken."""

COUNTS = frozenset(
    ("#", "no", "nr", "num", "number", "id", "index", "n°", "nº", "№", "s.no", "sl.no", "序号",
     "编号", "番号", "رقم", "क्रम")
)  # fmt: skip
"""Names of a column that only counts."""


def field_name(key: str) -> str:
    """A key as it stands in `FIELDS`: `Sub-Topics`, `sub_topic_3` and `subtopic` are one."""
    name = re.sub(r"[\s_\-\d.:]+", "", key[:80].casefold())
    return name[:-1] if name.endswith("s") and name[:-1] in FIELDS else name
