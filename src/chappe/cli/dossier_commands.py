"""`chappe dossier`: what is declared, stored, disclosed, and how much of it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import chappe
from chappe.cli.relay_commands import DataDir
from chappe.cli.show import clean, note, out
from chappe.cli.words import language, say

if TYPE_CHECKING:
    from chappe.desk.dossier.paper import Paper

app = typer.Typer(no_args_is_help=True, help="For authorities: what is declared, stored and disclosed.")


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def folder_of(data_dir: Path | None) -> Path:
    """The relay's data directory, as its settings say."""
    from chappe.relay.config import load_settings

    return load_settings(data_dir=data_dir).data_dir


@app.command("fingerprint")
def show_fingerprint(
    as_json: Annotated[bool, typer.Option("--json", help="The whole inventory too, as a baseline.")] = False,
) -> None:
    """The fingerprint of this version's cryptology: SHA-256 over the canonical inventory."""
    from chappe.desk.dossier.declared import current, encode
    from chappe.wire.cryptology import fingerprint

    if as_json:
        out(encode(current(chappe.__version__, today())).decode().rstrip())
    else:
        out(fingerprint())


@app.command("check")
def check(
    data_dir: DataDir = None,
    against: Annotated[
        Path | None, typer.Option(help="Another declaration than the data directory's.", show_default=False)
    ] = None,
) -> None:
    """Does this version still have the cryptology that was declared? Exit status 87 if not."""
    from chappe.desk.dossier import declared
    from chappe.desk.dossier.calls import of_this_installation, uncalled, unknown
    from chappe.wire.cryptology import fingerprint, inventory
    from chappe.wire.errors import error

    before = declared.read(against) if against else declared.kept(folder_of(data_dir))
    found = of_this_installation()
    changes = [*declared.differences(before.inventory, inventory())]
    changes += [f"! {line}" for line in (*unknown(found), *uncalled(found))]
    for line in changes:
        out(line)
    if changes:
        raise error("dossier.changed", say("dossier.changed", date=before.date, version=before.version))
    note(say("dossier.same", date=before.date, version=before.version, fingerprint=fingerprint()))


Language = Annotated[str, typer.Option("--lang", help="fr or en.", show_default=False)]


def spoken(lang: str) -> Literal["fr", "en"]:
    """The language asked for, else the terminal's. Raises usage.invalid."""
    from chappe.wire.errors import error

    chosen = lang.lower() or language()
    if chosen == "fr":
        return "fr"
    if chosen == "en":
        return "en"
    raise error("usage.invalid", "The languages are fr and en.")


@app.command("form")
def form(
    out_file: Annotated[Path, typer.Option("--out", help="Where to write it.")] = Path("declarant.toml"),
    lang: Language = "",
) -> None:
    """Write an empty form for the declarant's details, to fill in for `declare`."""
    from chappe.desk.dossier.form import template
    from chappe.wire.errors import error
    from chappe.wire.sqlite import os_failure

    try:
        with out_file.open("x", encoding="utf-8") as file:
            file.write(template(spoken(lang)))
    except FileExistsError:
        raise error("dossier.malformed", say("dossier.form.exists", path=out_file)) from None
    except OSError as problem:
        raise os_failure(problem) from None
    note(say("dossier.form.written", path=out_file))


@app.command("declare")
def declare(
    out_folder: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    form_file: Annotated[Path, typer.Option("--form", help="The filled-in form.")] = Path("declarant.toml"),
    lang: Language = "",
    draft: Annotated[
        bool, typer.Option("--draft", help="Marked as a draft; fields may be empty, and nothing is declared.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make the declaration: answer sheets for Annexe I and II, and the technical brochure (PDF)."""
    from chappe.cli.dossier_reference import reference_outputs
    from chappe.desk.dossier import declared, pdf
    from chappe.desk.dossier.calls import of_this_installation
    from chappe.desk.dossier.declare import write
    from chappe.desk.dossier.declaring import Declaring
    from chappe.desk.dossier.form import read

    chosen = spoken(lang)
    filled = read(form_file, draft=draft)
    pdf.ready()
    it = Declaring(filled, chosen, chappe.__version__, today(), reference_outputs(), draft)
    for path in write(out_folder, it, of_this_installation()):
        out(str(path))
    if draft:
        note(say("dossier.drafted"))
        return
    kept = declared.keep(folder_of(data_dir), declared.current(it.version, it.date))
    note(say("dossier.declared", path=kept))


@app.command("inventory")
def inventory(
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; else it is printed.", show_default=False)
    ] = None,
    kind: Annotated[str, typer.Option("--format", help="html, json or pdf.")] = "html",
    lang: Language = "",
    data_dir: DataDir = None,
) -> None:
    """Every field that is stored, why, and for how long: from the databases as they are now."""
    from chappe.desk.dossier import stored
    from chappe.relay.config import load_settings
    from chappe.relay.kept import FILES
    from chappe.relay.stored import stores

    settings = load_settings(data_dir=data_dir)
    made = stored.Inventory(
        [*stores(settings), stored.desk_store(settings.data_dir)],
        FILES,
        stored.found_in(settings.data_dir),
        chappe.__version__,
        today(),
    )
    write_paper(out_file, kind, stored.page(made, spoken(lang)), stored.as_plain(made))


def write_paper(out_file: Path | None, kind: str, paper: Paper, plain: dict[str, Any]) -> None:
    """As HTML, JSON or PDF. Raises usage.invalid, dossier.no_typst, storage.*."""
    from chappe.desk.dossier import pdf
    from chappe.desk.dossier.paper import as_html
    from chappe.wire.errors import error
    from chappe.wire.sqlite import os_failure

    if kind == "html":
        data = as_html(paper).encode()
    elif kind == "json":
        data = json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n"
    elif kind == "pdf" and out_file is not None:
        data = pdf.make(paper)
    else:
        raise error("usage.invalid", "The formats are html, json and pdf; a PDF needs --out.")
    if out_file is None:
        out(data.decode().rstrip())
        return
    try:
        out_file.write_bytes(data)
    except OSError as problem:
        raise os_failure(problem) from None
    note(say("dossier.written", path=out_file))


@app.command("key")
def key(data_dir: DataDir = None) -> None:
    """The public half of the key that disclosures are signed with; it is made on first use."""
    from chappe.desk.dossier.operator_key import OperatorKey

    out(OperatorKey.of(folder_of(data_dir)).public)


@app.command("disclose")
def disclose(
    line: Annotated[str, typer.Argument(help="Its address, or its id in hexadecimal.")],
    out_folder: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    reference: Annotated[str, typer.Option(help="Whose request this answers.")] = "",
    json_only: Annotated[bool, typer.Option("--json-only", help="Without the PDF.")] = False,
    lang: Language = "",
    data_dir: DataDir = None,
) -> None:
    """What the operator holds on a line: signed JSON, and a PDF. Each is noted in the desk's audit log."""
    from chappe.cli.dossier_reading import holdings_on
    from chappe.desk.database import Database
    from chappe.desk.dossier import disclosure, pdf
    from chappe.desk.dossier.disclosure_paper import paper
    from chappe.desk.dossier.operator_key import OperatorKey
    from chappe.relay.config import load_settings
    from chappe.wire.sqlite import os_failure

    chosen, settings = spoken(lang), load_settings(data_dir=data_dir)
    if not json_only:
        pdf.ready()
    database = Database(settings.data_dir)
    try:
        holdings = holdings_on(settings, database, line)
        signing = OperatorKey.of(settings.data_dir)
        signed = disclosure.disclose(
            database,
            signing,
            holdings,
            operator=settings.server_name,
            version=chappe.__version__,
            reference=reference,
        )
    finally:
        database.close()
    name = f"disclosure-{signed.disclosure.number:04d}"
    contents = {f"{name}.json": disclosure.encode(signed)}
    if not json_only:
        contents[f"{name}.pdf"] = pdf.make(paper(signed, holdings.kept, chosen))
    try:
        out_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file, data in contents.items():
            (out_folder / file).write_bytes(data)
            (out_folder / file).chmod(0o600)
            out(str(out_folder / file))
    except OSError as problem:
        raise os_failure(problem) from None
    note(say("dossier.disclosed", number=signed.disclosure.number, public=signed.key))
    for other in holdings.others:
        note(say("dossier.other_line", line=other.hex()))


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="The signed JSON of a disclosure.")],
    public: Annotated[
        str, typer.Option("--key", help="The operator's public key, as you know it.", show_default=False)
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Is this disclosure as the operator signed it? Compares the key with --key, or the data directory's."""
    from chappe.desk.dossier import disclosure
    from chappe.desk.dossier.operator_key import known
    from chappe.wire.errors import error

    signed = disclosure.read(file)
    trusted = public or known(folder_of(data_dir))
    if trusted and trusted.rstrip("=") != signed.key:
        raise error("dossier.forged", say("dossier.other_key", public=signed.key))
    said = signed.disclosure
    out(say("dossier.holds", number=said.number, at=said.at, asked=clean(said.asked), public=signed.key))
    if not trusted:
        note(say("dossier.compare_key"))


@app.command("figures")
def figures(
    year: Annotated[int, typer.Option(help="The calendar year, in UTC.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; else it is printed.", show_default=False)
    ] = None,
    kind: Annotated[str, typer.Option("--format", help="html, json or pdf.")] = "html",
    lang: Language = "",
    data_dir: DataDir = None,
) -> None:
    """A year's transparency figures: lines, orders, erasures, disclosures."""
    from chappe.desk.database import Database
    from chappe.desk.dossier import figures as counting
    from chappe.relay.config import load_settings
    from chappe.relay.figures import figures as of_the_relay

    settings = load_settings(data_dir=data_dir)
    counted = counting.year_of(year, date.fromisoformat(today()))
    counts = of_the_relay(settings, *counted.bounds)
    database = Database(settings.data_dir)
    try:
        counts["disclosures"] = counting.disclosures(database, counted)
    finally:
        database.close()
    place = settings.server_name
    page = counting.page(counted, counts, place, chappe.__version__, today(), spoken(lang))
    write_paper(out_file, kind, page, counting.as_plain(counted, counts, place, chappe.__version__))
