"""`harness rate`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.declared import in_flags
from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from judges.choosing.rounds import SHARE, share_of
from judges.cli.options import More, words

if TYPE_CHECKING:
    from judges.store.rows import RatingPlanRow
    from tuning.store import Store

PLAN, RATERS, SERVER = "What is rated", "Who rates", "Server"
PORT = 8765


def rate(
    more: More = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", help="Answers to compare: --models A B C. All, if left out.", rich_help_panel=PLAN),
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="A plan's name: go on with it, or what to call a new one.", rich_help_panel=PLAN)
    ] = None,
    ratings: Annotated[int, typer.Option(help="Votes wanted for each pair.", min=1, rich_help_panel=PLAN)] = 1,
    pairs: Annotated[
        int | None, typer.Option("--each", help="Pairs one rater is asked for.", min=1, rich_help_panel=PLAN)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="So many of the prompts, drawn by --seed.", min=1, rich_help_panel=PLAN)
    ] = None,
    which: Annotated[
        str,
        typer.Option("--pairs", help="all, or chosen: people are asked where it tells most.", rich_help_panel=PLAN),
    ] = "all",
    votes: Annotated[
        str | None,
        typer.Option(help=f"The share of all votes that is chosen; {SHARE} if left out.", rich_help_panel=PLAN),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample, the order and the sides.", rich_help_panel=PLAN)] = 0,
    invite: Annotated[
        int,
        typer.Option(
            help="Make N invitations and print their links. Where there are any, only invited raters come in.",
            min=0,
            rich_help_panel=RATERS,
        ),
    ] = 0,
    revoke: Annotated[
        list[str] | None,
        typer.Option(help="Shut a rater out, by name; may be given several times.", rich_help_panel=RATERS),
    ] = None,
    raters: Annotated[
        bool, typer.Option("--raters", help="List who may rate, and their votes.", rich_help_panel=RATERS)
    ] = False,
    port: Annotated[int, typer.Option(help="Where to serve.", min=1, max=65535, rich_help_panel=SERVER)] = PORT,
    host: Annotated[
        str,
        typer.Option(
            help="An address of this machine; others than 127.0.0.1 take invitations only.", rich_help_panel=SERVER
        ),
    ] = "127.0.0.1",
    url: Annotated[
        str | None, typer.Option(help="The page's address as raters see it, for their links.", rich_help_panel=SERVER)
    ] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Serve the rating page: people compare answers, blind, two at a time."""
    from judges.people import raters as people
    from leaderboard.app import server, server_settings
    from tuning.store import Store

    with in_flags("pairs", "votes"):
        share = share_of(which, votes)
    store = Store(db)
    for name in revoke or ():
        typer.echo(f"{people.revoke(store, name).name} may rate no more; the votes stay.")
    if raters:
        _print_raters(store, json)
    if revoke or raters:
        return
    chosen = _plan(store, words(models, more), plan, ratings, pairs, sample, share, seed)
    seen = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = (url or f"http://{seen}:{port}").rstrip("/")
    if invite:
        links = [
            {"rater": rater.name, "link": f"{address}/?invite={secret}"}
            for rater, secret in people.invite(store, invite)
        ]
        if json:
            print_json({"plan": chosen.name, "invitations": links})
        else:
            typer.echo("\n".join(f"{link['rater']}  {link['link']}" for link in links))
        if not server.free(host, port):
            typer.echo(f"Something serves on port {port} already: invited raters go there.", err=True)
            return
    invited = any(rater.token and not rater.revoked for rater in people.raters(store))
    names = host in server_settings.LOCAL and url is None and not invited
    settings = server_settings.Settings(str(store.path.resolve()), ("rate",), chosen.id, names)

    def ready() -> None:
        who = "anyone at this machine, by name" if names else "invited raters only"
        typer.echo(f"Rating plan {chosen.name} at {address} ({who}). Ctrl-C ends it.", err=True)

    server.serve(settings, host, port, ready)


def _plan(
    store: Store,
    models: list[str],
    name: str | None,
    ratings: int,
    pairs: int | None,
    sample: int | None,
    share: float | None,
    seed: int,
) -> RatingPlanRow:
    """The plan of that name where it is stored and no models are given; else the one that the options describe."""
    from harness.errors import UsageError
    from judges.people.votes import make_plan

    if name and not models and name in {plan.name for plan in store.plans()}:
        return store.resolve_plan(name)
    if models:
        sets = [store.resolve_answers(word) for word in models]
    else:
        newest = {row.identity: row for row in reversed(store.answer_sets())}
        sets = list(newest.values())
        if len({answers.prompt_set for answers in sets}) > 1:
            raise UsageError("The store has answers to several prompt sets: name the models with --models.")
        if len(sets) < 2:
            raise UsageError(f"{store.path} has answers of {len(sets)} models: `harness answer` makes them.")
    return make_plan(store, sets, name or "", ratings, pairs, sample, share, seed)


def _print_raters(store: Store, json: bool) -> None:
    from collections import Counter

    from judges.people import raters as people

    everyone = people.raters(store)
    votes = Counter(vote.judge for vote in (store.comparisons(judges=[r.id for r in everyone]) if everyone else ()))
    rows = [{"rater": r.name, "votes": votes[r.id], "invited": bool(r.token), "revoked": r.revoked} for r in everyone]
    if json:
        print_json({"raters": rows})
        return
    from rich.console import Console

    from harness.cli.tables import plain, table

    shown = table("", ("rater", "votes", "how"), right=("votes",))
    for row in rows:
        how = "revoked" if row["revoked"] else "invited" if row["invited"] else "by name"
        shown.add_row(*map(plain, (row["rater"], row["votes"], how)))
    Console().print(shown)
