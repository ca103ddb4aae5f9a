#!/usr/bin/env python3
"""Records what Jinja2 makes of the templates in ashlar/text/testdata (Debian: python3-jinja2).

    tests/peers/jinja/record.py

Reads the sources and variables that stand there, renders them as Hugging Face's
apply_chat_template does, and writes the expected texts back.
"""
import datetime
import json
import pathlib

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

DATA = pathlib.Path(__file__).parents[3] / "ashlar/text/testdata"
NOW = datetime.datetime(2026, 3, 5, 7, 8, 9)


class Generation(Extension):
    """{% generation %}: prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body)
        return call.set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.TemplateError(message)


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def render(source, variables):
    """The text, or None where Jinja2 fails."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    try:
        return environment.from_string(source).render(**variables)
    except Exception:  # of many types: whatever fails has no text
        return None


def main():
    path = DATA / "jinja.json"
    data = json.loads(path.read_text())
    lines = []
    for case in data["cases"]:
        text = render(case["source"], data["variables"])
        out = {} if text is None else {"out": text}
        lines.append(json.dumps({"source": case["source"], **out}, ensure_ascii=False))
    path.write_text('{"variables":' + json.dumps(data["variables"], ensure_ascii=False) +
                    ',\n"cases":[\n' + ",\n".join(lines) + "\n]}\n")

    path = DATA / "chat/rendered.json"
    data = json.loads(path.read_text())
    data["rendered"] = {
        file.name: [render(file.read_text(), variables) for variables in data["variables"]]
        for file in sorted((DATA / "chat").glob("*.jinja"))
    }
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
