"""What `harness judge` takes."""

from __future__ import annotations

from harness.options.declaration import Declaration, option
from harness.options.run_options import Stored
from judges.choosing.rounds import PAIRS, SHARE, read_share

MODELS, ASK, COMPUTE, COST = "Models", "Questions", "Computing", "Cost"
OPENAI = "https://api.openai.com/v1"


class AskedJudge(Declaration):
    """How a model that judges is asked, and what it may cost."""

    temperature: float = option(
        0.0, "The judge's; below 0 sends none, for models that take none.", panel=ASK, allowed="a number"
    )
    max_tokens: int = option(2048, "Of a judge's text.", panel=ASK, ge=1)
    price_in: float | None = option(None, "Per million tokens asked.", panel=COST, ge=0)
    price_out: float | None = option(None, "Per million tokens said.", panel=COST, ge=0)
    max_cost: float | None = option(None, "Never passed; what these pairs cost before counts.", panel=COST, ge=0)
    concurrency: int = option(8, "Requests at once.", panel=COMPUTE, ge=1)
    timeout: float = option(300.0, "Seconds for one attempt.", panel=COMPUTE, gt=0)
    attempts: int = option(8, "Of each request.", panel=COMPUTE, ge=1)


class JudgeOptions(AskedJudge, Stored):
    """Which answers are compared, by whom, and what it may cost."""

    models: tuple[str, ...] = option(
        (),
        "Answer sets by name or id: --models A B C.",
        panel=MODELS,
        allowed="a list of answer sets, by name or id",
    )
    against: str | None = option(
        None, "Each of the models against this one only.", panel=MODELS, allowed="an answer set, by name or id"
    )
    judge: tuple[str, ...] = option(
        (),
        "A model's name at the server, reference, or a plug-in's. Several make a jury.",
        panel=MODELS,
        allowed="a list of models at the server, or reference",
    )
    base_url: str = option(
        OPENAI,
        "A server that speaks OpenAI's API.",
        panel=MODELS,
        allowed="a server's address that begins with http",
        pattern=r"^https?://\S+$",
    )
    prompts: str | None = option(
        None,
        "The prompt set, where the models answered several.",
        panel=ASK,
        allowed="a prompt set, by name or digest",
    )
    references: str | None = option(
        None, "Reference answers, in place of the prompts' own.", panel=ASK, allowed="a file of reference answers"
    )
    judge_prompts: str | None = option(
        None, "A file like FastChat's judge_prompts.jsonl.", panel=ASK, allowed="a file like judge_prompts.jsonl"
    )
    repeats: int = option(1, "Ask each pair so often, to see if a judge agrees with itself.", panel=ASK, ge=1)
    pairs: str = option(
        "all", "all, or chosen: a judge at a server is asked where it tells most.", panel=ASK, choices=PAIRS
    )
    votes: str | None = option(
        None,
        f"The share of all pairs that is chosen; {SHARE} if left out.",
        panel=ASK,
        allowed=f"a share, as {SHARE}",
        reader=read_share,
    )
    estimate: bool = option(False, "Say what it would cost, and ask nothing.", panel=COST)
