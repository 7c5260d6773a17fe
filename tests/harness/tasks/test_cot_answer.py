"""One answer of BIG-Bench Hard in the many ways that models write it, and what is never that answer."""

from __future__ import annotations

import re
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
)
# Around any target. In LaTeX a brace of the answer's own is written with a backslash.
WRAPS = (
    *("{}", "**{}**", "*{}*", "***{}***", "__{}__", "`{}`", '"{}"', "'{}'", "“{}”", "«{}»", '"{}."', '**"{}"**'),
    *("${}$", "$${}$$", "\\({}\\)", "\\( {} \\)", "\\[ {} \\]", "\u200b{}\u200b", "{} .", "{}!"),
    *("\\boxed{{{}}}", "$\\boxed{{{}}}$", "\\[\\boxed{{\\text{{{}}}}}\\]", "\\(\\boxed{{\\mathrm{{{}}}}}\\)"),
    *("\\text{{{}}}", "$\\text{{{}}}$", "\\mathbf{{{}}}"),
)
OPTION = (  # around an option's letter
    *("({})", "{}", "{})", "{}.", "[{}]", "（{}）", "【{}】", "( {} )", "(**{}**)", "**({})**", "(_{}_)", "(${}$)"),
    *("(\\text{{{}}})", "\\left({}\\right)", "choice ({})", "option {}", "Option ({})", "Choice: {}", "the option {}"),
    *("({}) the red one", "[{}] the red one", "{}: the red one", "**{}. the red one**", "\\text{{({})}} since"),
    *("({}), but I think so", "({}) a dog or a cat"),
)
LETTERS = "ABCDEFGHIJKLMNOPQR"
WORDS = ("apple", "don't", "it&t", "pear", "zoo", "no", "a", "fifty")


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
        *("\\text{" + "} \\text{".join(parts) + "}", "\u2009".join(parts)),
    ]


def forms(target: str) -> list[str]:
    """The ways in which a target of this shape is written."""
    found = [wrapped(wrap, target) for wrap in WRAPS] + [wrapped(wrap, target.upper()) for wrap in WRAPS[:4]]
    if re.fullmatch(r"\([A-Z]\)", target):
        found += [wrap.format(target[1]) for wrap in OPTION]
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
    for other in {*others, *(f"({letter})" for letter in LETTERS)} - {target}:
        assert not matches(answer, other), (text, answer, other)


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
