"""A paper: what the dossier says, as plain values, which become a PDF (typst), a page (HTML) or JSON.

Texts are data in all three: what a declarant or a line typed is never markup.
"""

from __future__ import annotations

import html
import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

Language: TypeAlias = Literal["fr", "en"]


class Block(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag=str.lower):
    """A part of a section."""


class Text(Block, frozen=True):
    text: str


class Lead(Block, frozen=True):
    """A small heading inside a section."""

    text: str


class Note(Block, frozen=True):
    """A remark, set apart."""

    text: str


class Fields(Block, frozen=True):
    """Names with values. `""` as a value is left to be filled in."""

    rows: list[tuple[str, str]]


class Checks(Block, frozen=True):
    """Boxes, ticked or not."""

    items: list[tuple[bool, str]]


class Items(Block, frozen=True):
    items: list[str]


class Grid(Block, frozen=True):
    """A table. `widths`: shares of the width, one a column. `lead`: the first column names its row."""

    head: list[str]
    rows: list[list[str]]
    widths: list[float]
    caption: str
    lead: bool = True


class Hex(Block, frozen=True):
    """Bytes, in hexadecimal."""

    rows: list[tuple[str, str]]


class Sign(Block, frozen=True):
    """A place for a signature by hand. `lines`: what stands above it."""

    lines: list[str]


AnyBlock: TypeAlias = Text | Lead | Note | Fields | Checks | Items | Grid | Hex | Sign


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    title: str
    blocks: list[AnyBlock]
    level: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1


class Paper(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`date`: a day, ISO 8601. `kind` says above the title what this is; `foot` is at the foot of each page.
    `draft`: marked as one."""

    language: Language
    title: str
    kind: str
    author: str
    date: str
    foot: str
    summary: str
    sections: list[Section]
    draft: bool = False


_MONTHS: Final = {
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
           "novembre", "décembre"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
}  # fmt: skip


def day(date: str, language: Language) -> str:
    """`2026-05-01` as people write it: 1er mai 2026, 1 May 2026. What is no such date stays as it is."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", date)
    if found is None or not 1 <= int(found[2]) <= 12:
        return date
    number = int(found[3])
    first = "1er" if language == "fr" and number == 1 else str(number)
    return f"{first} {_MONTHS[language][int(found[2]) - 1]} {found[1]}"


def spaced(text: str, language: Language) -> str:
    """French puts spaces before : ; ! ? » and after «, where no line may break."""
    if language != "fr":
        return text
    text = re.sub(r" ([;!?])", "\u202f\\1", text)
    text = re.sub(r" ([:»%])", "\u00a0\\1", text)
    return re.sub("« ", "«\u00a0", text)


def typeset(paper: Paper) -> dict[str, Any]:
    """As plain values, with the spaces that its language wants. Bytes are left alone."""
    built: dict[str, Any] = _walk(msgspec.to_builtins(paper), paper.language)
    return built | {"day": day(paper.date, paper.language)}


def _walk(value: Any, language: Language) -> Any:
    if isinstance(value, str):
        return spaced(value, language)
    if isinstance(value, list | tuple):
        return [_walk(one, language) for one in value]
    if isinstance(value, dict):
        return (
            value
            if value.get("kind") == "hex"
            else {name: _walk(one, language) for name, one in value.items()}
        )
    return value


# --- HTML


def as_html(paper: Paper) -> str:
    """One page that needs nothing beside it: no script, no font, no other origin."""
    built = typeset(paper)
    body = "\n".join(_html_section(section) for section in built["sections"])
    return _PAGE.format(
        language=paper.language,
        title=html.escape(built["title"]),
        kind=html.escape(built["kind"]),
        summary=html.escape(built["summary"]),
        author=html.escape(built["author"]),
        day=html.escape(built["day"]),
        date=html.escape(paper.date),
        foot=html.escape(built["foot"]),
        body=body,
        style=STYLE,
    )


def _html_section(section: dict[str, Any]) -> str:
    rank = section["level"] + 1
    blocks = "\n".join(_html_block(block, rank + 1) for block in section["blocks"])
    return f"<section>\n<h{rank}>{html.escape(section['title'])}</h{rank}>\n{blocks}\n</section>"


def _html_block(block: dict[str, Any], rank: int) -> str:
    e = html.escape
    match block["kind"]:
        case "text":
            return f"<p>{e(block['text'])}</p>"
        case "lead":
            return f"<h{rank}>{e(block['text'])}</h{rank}>"
        case "note":
            return f'<p class="note">{e(block["text"])}</p>'
        case "fields" | "hex":
            tag = "code" if block["kind"] == "hex" else "span"
            rows = "".join(f"<dt>{e(k)}</dt><dd><{tag}>{e(v) or '—'}</{tag}></dd>" for k, v in block["rows"])
            return f"<dl>{rows}</dl>"
        case "checks":
            rows = "".join(f"<li>{'☒' if on else '☐'} {e(text)}</li>" for on, text in block["items"])
            return f'<ul class="checks">{rows}</ul>'
        case "items":
            return f"<ul>{''.join(f'<li>{e(one)}</li>' for one in block['items'])}</ul>"
        case "sign":
            return "".join(f"<p>{e(line)}</p>" for line in block["lines"])
        case _:
            return _html_table(block)


def _html_table(block: dict[str, Any]) -> str:
    e = html.escape
    head = "".join(f'<th scope="col">{e(one)}</th>' for one in block["head"])

    def cells(row: list[str]) -> str:
        first = f'<th scope="row">{e(row[0])}</th>' if block["lead"] else f"<td>{e(row[0])}</td>"
        return first + "".join(f"<td>{e(one)}</td>" for one in row[1:])

    rows = "\n".join(f"<tr>{cells(row)}</tr>" for row in block["rows"])
    caption = f"<caption>{e(block['caption'])}</caption>" if block["caption"] else ""
    table = f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    return f'<div class="wide">{table}</div>'


STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #56616f; --line: #d5dae1; --paper: #fff;
  --tint: #f3f5f8; --accent: #1d4f91; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a4adba; --line: #39424f;
  --paper: #14181e; --tint: #1d232c; --accent: #8db8f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main, footer { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.3rem; margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.6rem 0 .4rem; } h4 { margin: 1.2rem 0 .3rem; }
.kind { color: var(--accent); font-weight: 600; margin: 0; }
.by, footer { color: var(--soft); font-size: .9rem; }
.summary { font-size: 1.08rem; } p { max-width: 46rem; }
.note { background: var(--tint); border-left: 3px solid var(--accent); padding: .7rem 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .93rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem .45rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 600; } tbody th { font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(10rem, 1fr) 3fr; gap: .35rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; } code { font-size: .86rem; }
.checks { list-style: none; padding: 0; }
"""

_PAGE: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="kind">{kind}</p>
<h1>{title}</h1>
<p class="by">{author} · <time datetime="{date}">{day}</time></p>
<p class="summary">{summary}</p>
{body}
</main>
<footer><p>{foot}</p></footer>
</body>
</html>
"""
