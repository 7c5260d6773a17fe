"""Screenshots of every page for docs/images: python -m tests.leaderboard.shots [STORE] [PAGE…].

Light and dark, wide (1280) and narrow (390). Without a store, the one that `bench.big.store` makes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leaderboard.app import server_settings, state
from tests.leaderboard.browser import Watched, chromium
from tests.leaderboard.make import ROOT, serving
from tuning.store import Store

FOLDER = ROOT / "docs" / "images"
SIZES = {"wide": (1280, 1000), "narrow": (390, 844)}
COLOURS = 128  # of the palette: a page of text and charts looks the same, at a third of the bytes


class Shot(NamedTuple):
    name: str
    address: Callable[[Store], str]


def _two(store: Store) -> list[str]:
    """Two whole runs of one protocol."""
    runs = {each.id: each for each in store.runs() if not each.partial and each.status == "finished"}
    by_protocol: dict[str, list[str]] = {}
    for task in store.tasks():
        if task.run in runs and task.run not in by_protocol.setdefault(task.protocol, []):
            by_protocol[task.protocol].append(task.run)
    return max(by_protocol.values(), key=len)[:2]


SHOTS = (
    Shot("leaderboard", lambda store: ""),
    Shot("run", lambda store: state.link("run", run=_two(store)[0])),
    Shot("compare", lambda store: state.link("compare", runs=_two(store))),
    Shot("studies", lambda store: state.link("studies")),
    Shot("study", lambda store: state.link("studies", study=store.studies()[len(store.studies()) // 2].id)),
    Shot("preference", lambda store: state.link("preference")),
)


def take(store: Store, folder: Path, wanted: Sequence[str] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, serving(server_settings.Settings(str(store.path.resolve()), names=True)) as page:
        for shot in SHOTS:
            if wanted and shot.name not in wanted:
                continue
            for scheme in ("light", "dark"):
                for size, (width, height) in SIZES.items():
                    viewport = {"width": width, "height": height}
                    seen = Watched(browser, page.address, viewport=viewport, color_scheme=scheme)
                    seen.go(f"/{shot.address(store)}").settle()
                    path = folder / f"board-{shot.name}-{scheme}-{size}.png"
                    seen.page.screenshot(path=str(path), animations="disabled")
                    _smaller(path)
                    print(f"{path.name}: {path.stat().st_size // 1024} kB", *seen.complaints, *seen.external())
                    seen.context.close()


def _smaller(path: Path) -> None:
    """The same picture in a palette."""
    from PIL import Image

    with Image.open(path) as image:
        small: Any = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> None:
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".bench" / "board.duckdb"
    if not given.exists():
        from bench.big.store import build

        given.parent.mkdir(exist_ok=True)
        build(given)
    take(Store(given), FOLDER, sys.argv[2:])


if __name__ == "__main__":
    main()
