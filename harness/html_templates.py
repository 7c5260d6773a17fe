"""HTML from jinja2 templates, which stand beside the code of their package as `*.html`.

    environment("tuning.report").get_template("templates/page.html").render(view=view)
    environment("leaderboard").get_template("templates/run.html").module.head(run)     # one macro of a file of several

Whatever a template prints is text: `<` becomes `&lt;`, unless it is Markup. A name that a template does not get is an
error, not an empty place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def environment(package: str, printed: Callable[[object], object] | None = None) -> Environment:
    """The templates of a package, each by its path in it, read once. `printed` makes of each value what is printed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printed,
        auto_reload=False,
    )
