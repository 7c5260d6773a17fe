"""Reads the answer out of a chain of thought, and holds it against the target."""

from __future__ import annotations

import re
from decimal import Decimal

# "So the answer is …" ends each worked example of the published chain-of-thought prompts; chat models also write "The
# answer is: …", "Answer: …", a heading "Final answer", <answer>…</answer> and \boxed{…}.
_STATEMENT = re.compile(
    r"\b(?:answer|correct\s+(?:option|choice))(?:\**:|\s+(?:is|(?:must|would|should|will)\s+be)\b:?)"
    r"(?:\s+(?:therefore|thus|hence|then|indeed|clearly|definitely|certainly|simply)\b,?)?"
    r"|^[#*_ \t]*(?:the\s+)?(?:final\s+|correct\s+)?answer[*_ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_TAGGED = re.compile(r"<answer>\s*(\S.*?)\s*</answer>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"</?(?:b|strong|i|em|u|code|span|p)>", re.IGNORECASE)
_ITEM = r"[ \t]*(?:[-*•]|\d+[.)])[ \t]+"
_LIST = re.compile(rf"[*_: \t]*\n\s*((?:{_ITEM}\S.*(?:\n+|$)){{2,}}|[-•][ \t]+[^\s\d].*)")
_BOX = re.compile(r"\\f?boxed\s*\{")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|。")
_OPTION = re.compile(r"\(([A-Z])\)")
_CALLED = r"(?:the\s+)?(?:correct\s+)?(?:option|choice|answer|letter)\s*:?\s*"  # "option B", "choice (B)"
_LEAD = re.compile(rf"(?:{_CALLED})?(?:[(\[{{]\s*([A-Z])\s*[)\]}}]|([A-Z])(?=\s*[).:\]]|$))", re.IGNORECASE)
_MENTION = re.compile(
    r"[(\[{ ,/]([A-Z])[)\]}]|^([A-Z])\)"  # (B), [B], B)
    r"|\b(?:or|and|nor)\s+[(\[]([a-z])[)\]]"
    r"|[,/&+;|]\s*([A-Z])(?=\s*(?:[).,:;/&+|\]]|$))"  # A, B
    r"|\b(?:or|and|but|not|no|wait|rather|actually|maybe|perhaps|than)\b,?\s+(?:(?i:option|choice)\s+)?"
    r"([A-HJ-Z]\b|I\b(?!\s+[a-z]))(?!')"  # "I think" names no option
)
_NUMBER = re.compile(r"[+-]?\s*(?:\d+|\d{1,3}(?:[, ']\d{3})+)(?:\.0*)?")
_WORDS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_COUNTED = re.compile(rf"({_NUMBER.pattern}|{'|'.join(_WORDS)})((?:\s+[a-z][a-z'-]*)*)", re.IGNORECASE)  # "12 objects"
_OTHER_NUMBER = re.compile(  # after a number: what makes another one of it, or a choice of several
    rf"\b(?:{'|'.join(_WORDS)}|\w+ty|hundreds?|thousands?|[mb]illions?|dozens?|half|halves|thirds?|quarters?|percent|"
    r"point|and|or|to|nor|by|over|per|x|times|plus|minus|less|more|than|not|no|but|wait|maybe|perhaps)\b",
    re.IGNORECASE,
)
_RESULT = re.compile(r"(?:(?!.*(?:[,;]|\b(?:or|and)\b).*=).*[^<>!=])?=\s*")  # "x = 24", "3 * 8 = 24", not two of them
_OPPOSITES = (("yes", "no"), ("true", "false"), ("valid", "invalid"))
_DOUBT = re.compile(r"\b(?:or|wait|actually|rather|maybe|perhaps|but|however|unless|except|unsure|unclear|not sure)\b")
_REASON = r"\s*(?:[,;:!(–—]|-\s|\b(?:because|since|as)\b)"  # ends the word that answers
_WRAPPING = " \t*_`\"'“”‘’„‚«»「」『』$"
_MARKS = r"*_`$\"'“”‘’„‚«»「」『』"
# Marks around words, not those inside: "don't", "2**3".
_AROUND = re.compile(rf"(?<![\w{_MARKS}])[{_MARKS}]+|[{_MARKS}]+(?![\w{_MARKS}])")
_LATEX_TEXT = r"\\(?:text(?:bf|it|rm|tt|sf|normal)?|math(?:bf|it|rm|tt|sf)|mbox|emph|operatorname|bm|boldsymbol)\s*"
# With more than brackets inside: a bare brace may end the command, or be one of the answer's own.
_LATEX_INNER = re.compile(_LATEX_TEXT + r"\{([^{}\\]*[^{}\\\s()\[\]<>][^{}\\]*)\}")
_LATEX_WHOLE = re.compile(rf"(?:\\f?boxed\s*|{_LATEX_TEXT}|\\[{{(\[]?)\{{(.*)\}}", re.DOTALL)
_LATEX_MATH = re.compile(r"\\[()\[\]]|\\left\b|\\right\b")
_LATEX_SPACE = re.compile(r"\\(?:[,;:! ]|quad\b|qquad\b)")
# No-break, thin and full-width spaces; marks of no width; full-width forms; what is written for a minus.
_AS_WRITTEN = (
    {ord(c): " " for c in "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))}
    | dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"), None)
    | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {ord(c): "-" for c in "\u2212\u2010\u2011\ufe63"}
    | {ord("【"): "[", ord("】"): "]", ord("〈"): "<", ord("〉"): ">"}
)


def extract(text: str) -> str:
    """What follows the last "answer is" up to the end of its sentence or line, without wrapping marks, or what the
    last \\boxed{…} of a later line holds; the items of a list, with commas; "" when the text never says so."""
    text = text.translate(_AS_WRITTEN)
    text = _HTML.sub("", _TAGGED.sub(r"\nanswer:\n\1\n", text))
    text = _LATEX_INNER.sub(r"\1", text)
    statements = list(_STATEMENT.finditer(text))
    start = statements[-1].end() if statements else 0
    boxes = list(_BOX.finditer(text, start))
    if boxes and (not statements or "\n" in text[start : boxes[-1].start()]):
        line_start = text.rfind("\n", 0, boxes[-1].start()) + 1
        start = next(box.start() for box in boxes if box.start() >= line_start)  # of several, all are the answer
    elif not statements:
        return ""
    if items := _LIST.match(text, start):
        lines = [re.sub(rf"^{_ITEM}", "", line) for line in items[1].split("\n") if line.strip()]
        return ", ".join(unwrapped(_SENTENCE_END.split(line)[0]) for line in lines)
    line = text[start:].lstrip(_WRAPPING + "\n").partition("\n")[0]
    return unwrapped(_SENTENCE_END.split(line)[0])


def unwrapped(answer: str) -> str:
    """An answer without the marks that stand around it: LaTeX, Markdown, quotes, the end of a sentence."""
    before = None
    while answer != before:
        before = answer
        answer = answer.strip(_WRAPPING + ".,;:!")
        answer = _LATEX_SPACE.sub(" ", _LATEX_MATH.sub(" ", answer))
        answer = _LATEX_INNER.sub(r"\1", answer)
        if whole := _LATEX_WHOLE.fullmatch(answer):
            answer = whole[1]
    return answer.replace("\\{", "{").replace("\\}", "}").strip()


def matches(answer: str, target: str) -> bool:
    """Is `answer` (from `extract`) the target? Case, commas and runs of spaces do not count.

    A target "(C)" is also met by "C", "[C]", "option C" and "(C) text of the option", if no other option is named. A
    whole number is met by the same number however it is written (24.0, 1,024, −7, twelve, x = 12, 12 objects). "Yes"
    and its kind are met with a reason behind them that names no opposite. Brackets need no spaces."""
    if not answer:
        return False
    if _OPTION.fullmatch(target):
        return _options(answer) == {target[1]}
    if _NUMBER.fullmatch(target):
        return _whole_number(answer) == _number(target)
    if set(target) <= set("()[]{}<> "):
        return re.sub(r"[\s,]", "", _bare(answer)) == target.replace(" ", "")
    wanted = _plain(target)
    for pair in _OPPOSITES:
        if wanted in pair:
            return _reasoned(answer, pair) == wanted
    return wanted in (_plain(answer), _plain(re.sub(r",\s+and\s+(?=\S+$)", ", ", answer)))


def _whole_number(answer: str) -> Decimal | None:
    inner = _unbracketed(_bare(answer.replace("{,}", ","))).replace("–", "-")
    counted = _COUNTED.fullmatch(_RESULT.sub("", inner, count=1))
    if counted is None or _OTHER_NUMBER.search(counted[2]):
        return None
    word = counted[1].lower()
    return Decimal(_WORDS.index(word)) if word in _WORDS else _number(word)


def _reasoned(answer: str, pair: tuple[str, str]) -> str:
    """Which of two opposites an answer is, alone or with a reason behind it; "" where it is neither or in doubt."""
    plain = _plain(answer)
    if plain in pair:
        return plain
    lead = re.match(rf"({'|'.join(pair)})\b{_REASON}", _bare(_unbracketed(_bare(answer))), re.IGNORECASE)
    if lead is None:
        return ""
    word, reason = lead[1].lower(), lead.string[lead.end() :].lower()
    other = pair[1 - pair.index(word)]
    return "" if _DOUBT.search(reason) or re.search(rf"\b{other}\b", reason) else word


def _options(answer: str) -> set[str]:
    """The options that an answer names; none where it does not begin with one."""
    bare = _bare(answer)
    lead = _LEAD.match(bare)
    if not lead:
        return set()
    rest = bare[lead.end() :]
    named = {letter.upper() for mention in _MENTION.findall(rest) for letter in mention if letter}
    return {(lead[1] or lead[2]).upper()} | named


def _bare(answer: str) -> str:
    return " ".join(_AROUND.sub("", answer).split())


def _number(text: str) -> Decimal:
    return Decimal(re.sub(r"[, ']", "", text))


def _unbracketed(text: str) -> str:
    """Without brackets around the whole."""
    while len(text) > 2 and text[0] + text[-1] in ("()", "[]", "{}") and not set(text[1:-1]) & set("()[]{}"):
        text = text[1:-1].strip()
    return text


def _plain(text: str) -> str:
    words = re.sub(r",|<|->|→", " ", _unbracketed(_bare(text)))  # between the words of a sorted list
    return " ".join(_bare(words).split()).casefold()
