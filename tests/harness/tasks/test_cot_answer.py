"""One answer of BIG-Bench Hard in the many ways that models write it, and what is never that answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.cot_answer import extract, matches
from tests.harness.tasks.lm_eval_bridge import lm_eval_local as reference

SAYS = (
    "So the answer is {}.",
    "The answer is: {}",
    "**Answer:** {}",
    "**Answer**: {}\n",
    "Answer：{}",
    "the answer is\n{}\n",
    "The final answer is {}. Therefore.",
    "The answer is\u00a0{}",
    "\\textbf{{Answer:}} {}",
    "The answer is:\n\n{}\n\nDone",
    "### Final Answer\n\n{}",
    "**Answer**\n{}\n",
    "The answer is (Z).\n\nNo: <answer>{}</answer>",
    "<answer>\n{}\n</answer>\nThat is it.",
    "The correct option is {}.",
    "Thus the answer must be {}",
    "The answer is therefore {}",
)
# Around any target. In LaTeX a brace of the answer's own is written with a backslash.
WRAPS = (
    *("{}", "**{}**", "*{}*", "***{}***", "__{}__", "`{}`", '"{}"', "'{}'", "“{}”", "«{}»", '"{}."', '**"{}"**'),
    *("${}$", "$${}$$", "\\({}\\)", "\\( {} \\)", "\\[ {} \\]", "\u200b{}\u200b", "{} .", "{}!"),
    *("\\boxed{{{}}}", "$\\boxed{{{}}}$", "\\[\\boxed{{\\text{{{}}}}}\\]", "\\(\\boxed{{\\mathrm{{{}}}}}\\)"),
    *("\\text{{{}}}", "$\\text{{{}}}$", "\\mathbf{{{}}}", "<b>{}</b>", "<strong>{}</strong>"),
)
OPTION = (  # around an option's letter
    *("({})", "{}", "{})", "{}.", "[{}]", "（{}）", "【{}】", "( {} )", "(**{}**)", "**({})**", "(_{}_)", "(${}$)"),
    *("(\\text{{{}}})", "\\left({}\\right)", "choice ({})", "option {}", "Option ({})", "Choice: {}", "the option {}"),
    *("({}) the red one", "[{}] the red one", "{}: the red one", "**{}. the red one**", "\\text{{({})}} since"),
    *("({}), but I think so", "({}) a dog or a cat"),
)
LETTERS = "ABCDEFGHIJKLMNOPQR"
WORDS = ("apple", "don't", "it&t", "pear", "zoo", "no", "a", "fifty")


OPPOSITES = ("yes", "no", "true", "false", "valid", "invalid")
REASONS = (  # behind one of two opposites
    *(
        "{}, probably",
        "{}, it is not so sure",
        "**{}**, they return",
        "{} - they return",
        "{} (they return)",
        "{}: it is",
    ),
    *('"{}, it is."', "{}; they return", "{} because they return", "{}! They return", "{}, since I think so"),
)
DOUBTS = (
    "{} or {}",
    "{}, or rather {}",
    "{}, wait, {}",
    "{}, but perhaps {}",
    "{}, maybe",
    "not {}",
    "{}/{}",
    "{}, {}",
)
COUNT = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
MARKS: tuple[Callable[[int], str], ...] = (
    lambda n: f"{n}.",
    lambda n: f"{n})",
    lambda n: "-",
    lambda n: "*",
    lambda n: "•",
)


def latex(target: str) -> str:
    return target.replace("{", "\\{").replace("}", "\\}")


def wrapped(wrap: str, target: str) -> str:
    return wrap.format(latex(target) if "\\" in wrap else target)


def numbers(target: int) -> list[str]:
    grouped = f"{target:,}"
    return [
        *(f"{target}.0", f"{target}.00", str(target).replace("-", "−"), str(target).replace("-", "\u2011"), grouped),
        *(grouped.replace(",", mark) for mark in ("\u202f", "\u00a0", "\\,", "{,}", "'")),
        *(f"{grouped}.0", f"({target})", f"\\boxed{{{grouped}}}", str(target).replace("-", "– ")),
        *(f"= {target}", f"x = {target}", f"3 * 5 = {grouped}", f"{target} objects", f"**{grouped}** pieces of fruit"),
        *([COUNT[target], f"{COUNT[target].title()} objects"] if 0 <= target < len(COUNT) else []),
    ]


def brackets(target: str) -> list[str]:
    parts = target.split()
    return [
        *(
            "".join(parts),
            ", ".join(parts),
            "  ".join(parts),
            '"' + '" "'.join(parts) + '"',
            "`" + "` `".join(parts) + "`",
        ),
        *("\\ ".join(latex(target).split()), f"\\boxed{{{target}}}", "\u00a0".join(parts)),
    ]


def lists(target: str) -> list[str]:
    parts = target.split()
    return [
        *(", ".join(parts), ",".join(parts), "  ".join(parts), "[" + ", ".join(parts) + "]"),
        *('"' + '" "'.join(parts) + '"', "['" + "', '".join(parts) + "']", "**" + "** **".join(parts) + "**"),
        *("\\text{" + "} \\text{".join(parts) + "}", "\u2009".join(parts), " < ".join(parts), " -> ".join(parts)),
        *("\n" + "\n".join(f"{mark(n)} {part}" for n, part in enumerate(parts, 1)) for mark in MARKS),
        *([", ".join(parts[:-1]) + ", and " + parts[-1]] if len(parts) > 2 else []),
    ]


def forms(target: str) -> list[str]:
    """The ways in which a target of this shape is written."""
    found = [wrapped(wrap, target) for wrap in WRAPS] + [wrapped(wrap, target.upper()) for wrap in WRAPS[:4]]
    if re.fullmatch(r"\([A-Z]\)", target):
        found += [wrap.format(target[1]) for wrap in OPTION]
    elif target.casefold() in OPPOSITES:
        found += [reason.format(target) for reason in REASONS]
    elif re.fullmatch(r"-?\d+", target):
        found += numbers(int(target))
    elif set(target) <= set("()[]{}<> "):
        found += brackets(target)
    else:
        found += lists(target) if " " in target else []
        found.append(target.translate({code: code + 0xFEE0 for code in range(0x30, 0x7B)}))
    return found


targets = st.one_of(
    st.sampled_from(LETTERS).map(lambda letter: f"({letter})"),
    st.integers(-20_000, 20_000).map(str),
    st.lists(st.sampled_from(")]}>"), min_size=1, max_size=6).map(" ".join),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=6, unique=True).map(" ".join),
    st.sampled_from(("Yes", "No", "True", "False", "valid", "invalid")),
)


@settings(deadline=None, max_examples=300)
@given(targets, st.lists(targets, max_size=5), st.data())
def test_the_ways_to_write_an_answer_are_one_answer_and_never_another(
    target: str, others: list[str], data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(forms(target)))
    text = data.draw(st.sampled_from(SAYS)).format(form)
    answer = extract(text)
    assert matches(answer, target), (text, answer)
    # a list that begins with "no" looks like "No, …": no task has both
    of_other_tasks = {"Yes", "No"} if target.startswith("no ") else set()
    for other in {*others, *(f"({letter})" for letter in LETTERS)} - {target, *of_other_tasks}:
        assert not matches(answer, other), (text, answer, other)


@given(st.integers(0, len(OPPOSITES) - 1), st.sampled_from(DOUBTS), st.sampled_from(SAYS))
def test_an_answer_in_doubt_is_none(place: int, doubt: str, says: str) -> None:
    one, other = OPPOSITES[place], OPPOSITES[place ^ 1]
    answer = extract(says.format(doubt.format(one, other)))
    assert not matches(answer, one), answer
    assert not matches(answer, other), answer


def test_every_target_of_the_real_tasks_in_every_form(shared_data: Path) -> None:
    """The first forty of each task's; every other one of the task is wrong."""
    for task in reference.bbh_tasks(shared_data):
        known = list(dict.fromkeys(row["target"] for row in reference.bbh_rows(shared_data, task)))[:40]
        for target in known:
            for number, form in enumerate(forms(target)):
                text = SAYS[number % len(SAYS)].format(form)
                answer = extract(text)
                assert [other for other in known if matches(answer, other)] == [target], (task, text, answer)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Adding up gives $\\boxed{12}$", "12"),
        ("Thus\n\\[\n\\boxed{\\text{Yes}}\n\\]", "Yes"),
        ("The answer is:\n\\[\n\\boxed{B}\n\\]", "(B)"),
        ("The answer is 5 to begin with.\nThe end: \\boxed{6}.", "6"),
        ("The answer is (I) I think", "(I)"),
        ("The answer is Monsters, Inc.", "Monsters, Inc"),
        ("The answer is (B)。", "(B)"),
        ("ANSWER: YES.", "Yes"),
    ],
)
def test_more_answers_that_are_right(text: str, target: str) -> None:
    assert matches(extract(text), target)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        *((f"The answer is {said}", "(A)") for said in ("(A), (B)", "(A), B.", "(A)/(B)", "(A) / B", "[A] or [B]")),
        *(
            (f"The answer is {said}", "(A)")
            for said in ("option A or option B", "A, B or C", "(A)(B)", "(AB)", "A | B")
        ),
        *(
            (f"The answer is {said}", "(A)")
            for said in ("(A), wait B", "neither (A) nor (B)", "A-B", "{A,B}", "A and B")
        ),
        *(
            (f"The answer is {said}", "(A)")
            for said in ("\\text{not }(A)", "(A) or (b)", "\\text{A}\\text{B}", "A & B")
        ),
        *(("the answer is \\boxed{A} or \\boxed{B}", f"({letter})") for letter in "AB"),
        *(("\\boxed{5} or \\boxed{6}", number) for number in ("5", "6")),
        *(("The answer is \\boxed{1}\\boxed{2}", number) for number in ("1", "2", "12")),
        *(
            (f"The answer is {said}", "24")
            for said in ("24.5", "24.05", "0.24", "24%", "24 or 25", "−24", "2 4", "2,4")
        ),
        *((f"The answer is {said}", "23") for said in ("2**3", "2_3", "2^3", "2·3")),
        *((f"The answer is {said}", "52") for said in ("5²", "5$2", "5'2")),
        *(
            (f"The answer is {said}", "24")
            for said in (
                "24 and a half",
                "24 or twenty-five",
                "24 thousand",
                "24 times two",
                "x = 24 or x = 25",
                "24 = 4!",
            )
        ),
        *(
            (f"The answer is {said}", "24")
            for said in ("x > 24", "x >= 24", "x != 24", "24 plus one", "twenty four", "24 percent", "24 to thirty")
        ),
        ("The answer is x = 24 or x = 25", "25"),
        ("The answer is:\n1. 24\n2. 25", "24"),
        ("The answer is:\n- (A)\n- (B)", "(A)"),
        ("The answer is:\n1. pear\n2. apple", "apple pear"),
        ("The answer is apple > pear", "pear apple"),
        *((f"The answer is {said}", "1024") for said in ("1.024", "10,24", "1 02 4", "1,0240", "-1,024")),
        ("The answer is ] } > )", "] } >"),
        ("The answer is \\boxed{] } >}", "]"),
        ("The answer is Yes/No", "Yes"),
        ("The answer is \\boxed{\\text{not valid}}", "valid"),
        ("The answer is apple, pear plum or fig", "apple pear plum"),
        ("\\boxed{}", "No"),
        ("\\boxed{", "No"),
    ],
)
def test_more_answers_that_are_wrong(text: str, target: str) -> None:
    assert not matches(extract(text), target)


@settings(deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from([*SAYS, *WRAPS, *OPTION]), max_size=5).map("".join))
def test_any_text_can_be_read(text: str) -> None:
    assert not matches(extract(text), "a target that nobody writes")
