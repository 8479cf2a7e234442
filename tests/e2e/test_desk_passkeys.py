"""The desk's ceremonies in a real browser: Chromium's virtual authenticator at a real `chappe serve`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import begin, chappe
from tests.e2e.browser import Browser, Page

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# What the desk's page does: a request as it sends them, and what comes.
ASK = """
const ask = async (method, path, body) => {
  const answer = await fetch(`/v1/desk${path}`, {
    method,
    headers: { "Chappe-Desk": "1", "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
};
"""
ENROL = f"""async (secret) => {{
  {ASK}
  const began = await ask("POST", "/session/link", {{ secret }});
  if (began.status !== 200) return began;
  const options = (await ask("POST", "/passkeys/options")).body.public_key;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const made = await navigator.credentials.create({{ publicKey }});
  return await ask("POST", "/passkeys", {{ label: "this browser", response: made.toJSON() }});
}}"""
SIGN_IN = f"""async () => {{
  {ASK}
  const options = (await ask("POST", "/session/passkey/options")).body.public_key;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const signed = await navigator.credentials.get({{ publicKey }});
  return await ask("POST", "/session/passkey", {{ response: signed.toJSON() }});
}}"""
CALL = f"""async ([method, path, body]) => {{ {ASK} return await ask(method, path, body ?? undefined); }}"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The data directory of a `chappe serve`, and where it is."""
    data = tmp_path / "data"
    process: subprocess.Popen[str] = begin("serve", "--port", "0", "--data-dir", str(data), forked=False)
    assert process.stderr is not None
    port = None
    while port is None and (line := process.stderr.readline()):
        port = re.search(r"localhost:(\d+)", line)
    assert port is not None
    yield data, f"https://localhost:{port[1]}"
    process.kill()
    process.communicate()


async def test_a_passkey_is_made_and_signs_in(browser: Browser, served: tuple[Path, str]) -> None:
    data, url = served
    port = url.rpartition(":")[2]
    beside = ("desk", "--data-dir", str(data), "--port", port)
    opened = chappe(*beside, "operator", "new", "--name", "Ada", "--email", "ada@example.org")
    assert opened.lines[-1].startswith(f"{url}/console/#link=")
    page = await browser.page("operator", f"{url}/")
    await page.cdp("WebAuthn.enable")
    await page.cdp("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    made = await page.evaluate(ENROL, opened.lines[-1].partition("=")[2])
    assert made["status"] == 201, made
    assert len(made["body"]["recovery_codes"]) == 10
    # No script reads the cookie, and it signs in whoever has it.
    assert await page.evaluate("() => document.cookie") == ""
    assert (await ask(page, "GET", "/accounts"))["status"] == 200
    assert (await ask(page, "DELETE", "/session"))["status"] == 204
    assert (await ask(page, "GET", "/accounts"))["status"] == 401
    again = await page.evaluate(SIGN_IN)
    assert (again["status"], again["body"]["email"]) == (200, "ada@example.org")
    history = await ask(page, "GET", "/log?what=account.signed_in")
    assert [one["details"] for one in history["body"]["items"]] == [
        {"how": "passkey"},
        {"how": "passkey"},
        {"how": "link"},
    ]


async def ask(page: Page, method: str, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = await page.evaluate(CALL, [method, path, None])
    return answer
