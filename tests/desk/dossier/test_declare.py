"""A declaration: the form, both answer sheets, the brochure, as real PDFs."""

from __future__ import annotations

import builtins
import json
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chappe.cli.dossier_reference import reference_outputs
from chappe.cli.main import main
from chappe.desk.dossier import calls, declared, form, paper, pdf, wording
from chappe.desk.dossier.brochure import brochure
from chappe.desk.dossier.commercial import commercial
from chappe.desk.dossier.declaring import Declaring
from chappe.desk.dossier.means_sheet import means
from chappe.desk.dossier.references import Reference
from chappe.desk.dossier.service_sheet import service
from chappe.wire.cryptology import TABLE, fingerprint
from chappe.wire.errors import ChappeError

FORM = Path(__file__).parent / "declarant.toml"


@pytest.fixture(scope="module")
def references() -> list[Reference]:
    return reference_outputs()


def declaring(references: list[Reference], language: paper.Language, **form_changes: Any) -> Declaring:
    filled = form.read(FORM, draft=False)
    return Declaring(filled, language, "0.1.0", "2026-11-29", references, False)


def texts(value: Any) -> list[str]:
    """All strings of a paper."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    return [text for one in value for text in texts(one)] if isinstance(value, list | tuple) else []


# --- reference outputs


def test_reference_outputs_are_those_published(references: list[Reference]) -> None:
    """GCM's test case 16 (McGrew and Viega, appendix B); the rest opens to what was sealed."""
    message, sealed, vault = references
    assert [data for _, _, data in message.outputs] == [
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ]
    assert bytes.fromhex(sealed.outputs[-1][2]).decode() == "Chappe : sortie de référence"
    assert vault.outputs[-1][2] == bytes(range(64, 96)).hex()
    assert reference_outputs() == references


# --- papers


def test_every_answer_of_the_form_is_in_the_sheet(references: list[Reference]) -> None:
    said = "\n".join(texts(paper.typeset(means(declaring(references, "fr")))))
    titles = (
        "A. Déclarant|B.1|B.2.1|B.2.2|B.2.3|B.3.1|B.3.2|B.3.3|B.3.4|C. |D. |E. Pièces|F. Attestation|Clés"
    )
    for title in (*titles.split("|"), "Sources", "Trois sorties de référence"):
        assert title in said, title
    for value in ("Télégraphe Exemple SAS", "732829320", "ada@exemple.test", "ben@exemple.test", "président",
                  "1er décembre 2026", fingerprint(), references[0].outputs[0][2]):  # fmt: skip
        assert value in said, value
    assert "s'engage" in said or "m'engage" in said


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_algorithm_is_in_every_table(language: paper.Language, references: list[Reference]) -> None:
    for make in (means, service):
        said = texts(paper.typeset(make(declaring(references, language))))
        for row in wording.algorithms():
            name, bits = wording.algorithm(row, language), wording.bits(row, language)
            assert name in said, (make.__name__, row.id)
            assert bits in said, (make.__name__, row.id)


def test_the_english_papers_are_english(references: list[Reference]) -> None:
    for made in (means(declaring(references, "en")), service(declaring(references, "en"))):
        titles = " ".join(section.title for section in made.sections)
        assert not re.search(r"[éèàç]", titles), titles


def test_french_parameters_have_the_numbers_of_the_table() -> None:
    for row in TABLE:
        french = wording.parameters(row, "fr")
        assert re.findall(r"\d+", french) == re.findall(r"\d+", row.parameters), row.id
        if re.search(r"\b(bits|of|and|key|one)\b", row.parameters):
            assert french != row.parameters or row.id in wording._PARAMETERS, row.id


def test_french_spacing() -> None:
    assert paper.spaced("Quoi ? « Oui » : non ; bon !", "fr") == (
        "Quoi\u202f? «\u00a0Oui\u00a0»\u00a0: non\u202f; bon\u202f!"
    )
    assert paper.spaced("Why? Yes: no", "en") == "Why? Yes: no"
    assert paper.day("2026-12-01", "fr") == "1er décembre 2026"
    assert paper.day("2026-12-02", "en") == "2 December 2026"
    assert paper.day("", "fr") == ""


@pytest.mark.parametrize("language", ["fr", "en"])
def test_papers_are_real_pdfs(language: paper.Language, references: list[Reference], tmp_path: Path) -> None:
    """PDF/A-2a and PDF/UA-1 are checked by typst as it writes; the text is in it, in order."""
    it = declaring(references, language)
    for made in (means(it), service(it), brochure(it, {}), commercial(it)):
        data = pdf.make(made)
        assert data.startswith(b"%PDF-1.7")
        assert b"<pdfaid:part>2</pdfaid:part>" in data
        assert b"<pdfuaid:part>1</pdfuaid:part>" in data
        assert data == pdf.make(made)
        if shutil.which("pdftotext"):
            (tmp_path / "it.pdf").write_bytes(data)
            done = subprocess.run(
                ["pdftotext", "-layout", "it.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
            )
            assert made.sections[0].title in done.stdout.decode()
            assert "�" not in done.stdout.decode()


HOSTILE = '#panic("x") *bold* <script>alert(1)</script> $x$ @ref \\ "q" // '


def test_what_a_declarant_writes_is_never_markup(references: list[Reference]) -> None:
    text = FORM.read_text().replace(
        "Télégraphe Exemple SAS", HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    )
    filled = form.parse(text.encode(), "x", draft=False)
    it = Declaring(filled, "fr", "0.1.0", "2026-11-29", references, False)
    for made in (service(it), commercial(it)):
        assert pdf.make(made).startswith(b"%PDF")
        page = paper.as_html(made)
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


# --- the form


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_template_is_a_draft(language: str) -> None:
    data = form.template(language).encode()
    assert form.parse(data, "x", draft=True) == form.Form(declarant=form.Declarant(country="France"))
    with pytest.raises(ChappeError) as caught:
        form.parse(data, "x", draft=False)
    assert "declarant.name is not filled in; declarant.registration is not filled in" in caught.value.message
    assert "means.brand" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('registration = "732829320"', 'registration = "732829321"', "declarant.registration is no SIREN"),
        ('market_date = "2026-12-01"', 'market_date = "01/12/2026"', "means.market_date is no date"),
        ('market_date = "2026-12-01"', 'market_date = "2026-02-30"', "means.market_date is no date"),
        ('email = "ada@exemple.test"', 'email = "ada"', "administrative.email is no e-mail"),
        ('telephone = "+33 3 20 00 00 02"', 'telephone = "demain"', "technical.telephone is no telephone"),
        ('kind = "company"', 'kind = "club"', "$.declarant.kind"),
        ('mass_market = true', 'mass_market = "yes"', "$.means.mass_market"),
        ('mass_market = true', 'operations = []', "means.operations names no operation"),
        ('mass_market = true', 'operations = ["sell"]', "$.means.operations[0]"),
        ('mass_market = true', 'price = 3', "unknown field `price`"),
        ("[signing]", "[signing", "is not TOML"),
        ('place = "Lille"', 'place = "Li\\u001blle"', "signing.place is too long, or holds control"),
        ('place = "Lille"', 'place = ""', "signing.place is not filled in"),
        ('kind = "company"', 'kind = "person"', "declarant.nationality is not filled in"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit(old: str, new: str, said: str) -> None:
    text = FORM.read_text()
    assert old in text
    with pytest.raises(ChappeError) as caught:
        form.parse(text.replace(old, new, 1).encode(), "declarant.toml", draft=False)
    assert caught.value.code == "dossier.malformed"
    assert said in caught.value.message


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 300_000, b"a=" + b"[" * 50_000, "é".encode("latin-1")])
def test_a_form_that_is_none(data: bytes) -> None:
    with pytest.raises(ChappeError) as caught:
        form.parse(data, "declarant.toml", draft=True)
    assert caught.value.code == "dossier.malformed"


# --- the commands


def test_form_then_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calls, "of_this_installation", cache(calls.of_this_installation))
    target, data = tmp_path / "declarant.toml", tmp_path / "data"
    assert main(["dossier", "form", "--lang", "fr", "--out", str(target)]) == 0
    tomllib.loads(target.read_text())
    assert main(["dossier", "form", "--out", str(target)]) == 85
    asked = ["dossier", "declare", "--lang", "fr", "--data-dir", str(data), "--out", str(tmp_path / "out")]
    assert main([*asked, "--form", str(target)]) == 85
    assert not (tmp_path / "out").exists()
    assert main([*asked, "--form", str(target), "--draft"]) == 0
    assert not data.exists()
    capsys.readouterr()
    assert main([*asked, "--form", str(FORM)]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == [
        "annexe-1-moyen.pdf",
        "annexe-2-prestation.pdf",
        "brochure-technique.pdf",
        "brochure-commerciale.pdf",
        "dossier.json",
    ]
    whole = json.loads((tmp_path / "out" / "dossier.json").read_text())
    assert whole["fingerprint"] == fingerprint(whole["inventory"]) == declared.kept(data).fingerprint
    assert len(whole["references"]) == 3
    assert main(["dossier", "check", "--data-dir", str(data)]) == 0
    assert main([*asked[:2], "--lang", "de", *asked[4:]]) == 2


def test_without_typst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def none(name: str, *rest: Any, **more: Any) -> Any:
        if name == "typst":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", none)
    monkeypatch.delitem(__import__("sys").modules, "typst", raising=False)
    folder = tmp_path / "out"
    asked = [
        "dossier",
        "declare",
        "--form",
        str(FORM),
        "--out",
        str(folder),
        "--data-dir",
        str(tmp_path / "data"),
    ]
    assert main(asked) == 88
    assert "install `chappe[dossier]`" in capsys.readouterr().err
    assert not folder.exists()
    assert not (tmp_path / "data").exists()
