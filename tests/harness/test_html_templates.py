"""Templates print text, and miss no name."""

from __future__ import annotations

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from harness import html_templates


def test_a_template_is_named_by_its_path_in_its_package():
    assert html_templates.environment("harness").get_template("display.html").filename.endswith("harness/display.html")
    with pytest.raises(TemplateNotFound):
        html_templates.environment("harness").get_template("no-such.html")


def test_values_are_text_and_a_missing_one_is_an_error():
    template = html_templates.environment("harness").from_string("<p>{{ name }}</p>")
    assert template.render(name="<b>&") == "<p>&lt;b&gt;&amp;</p>"
    with pytest.raises(UndefinedError, match="name"):
        template.render()


def test_a_package_may_say_how_values_are_printed():
    loud = html_templates.environment("harness", lambda value: str(value).upper())
    assert loud.from_string("{{ name }}").render(name="<b>") == "&lt;B&gt;"
    plain = html_templates.environment("harness")
    assert plain.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
