"""Every command of a phone, as a person or a script runs it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from chappe.client import Phone
from tests.cli.world import People, begin


def test_two_lines_talk(people: People) -> None:
    people.activate("ada", "ben")
    ada, ben = people.address("ada"), people.address("ben")
    sent = people.ok("ada", "send", ben, "hello ben")
    assert re.fullmatch(r"[0-9a-f]{8} sent\n", sent.out)
    (first,) = people.ok("ben", "receive", "--json").json
    assert (first["sender"], first["text"], first["conversation_name"]) == (ada, "hello ben", ada)
    assert people.ok("ben", "receive", "--json").json == [], "each message once"
    answer = people.ok(
        "ben", "send", ada, "-", "--reply-to", first["id"], "--json", stdin="two\nlines\n"
    ).json
    assert (answer[0]["text"], answer[0]["reply_to"]) == ("two\nlines", first["id"])
    shown = people.ok("ada", "receive").out
    assert re.search(rf"[0-9a-f]{{8}} {ben}: two\n    lines \(in reply to {first['id'][2:10]}\)", shown)
    people.ok("ben", "conversation", "read", ada)
    assert "(read)" in people.ok("ada", "conversation", "show", ben).out


def test_changing_messages(people: People) -> None:
    people.activate("ada", "ben")
    ada, ben = people.address("ada"), people.address("ben")
    (sent,) = people.ok("ada", "send", ben, "at noon", "--json").json
    people.ok("ben", "receive")
    assert f"👍 {ben}" in people.ok("ben", "conversation", "react", sent["id"][:12], "👍").out
    assert "at one" in people.ok("ada", "conversation", "edit", sent["id"], "at one").out
    (shown,) = [m for m in people.ok("ben", "conversation", "show", ada, "--json").json if "text" in m]
    assert (shown["text"], shown["edited"]) == ("at one", True)
    assert "👍" not in people.ok("ben", "conversation", "unreact", sent["id"], "👍").out
    assert "(deleted)" in people.ok("ada", "conversation", "delete", sent["id"]).out
    assert "(deleted)" in people.ok("ben", "conversation", "show", ada).out
    assert people.run("ben", "conversation", "edit", sent["id"], "x").status == 96
    assert people.run("ben", "conversation", "delete", "0000beef").status == 96


def test_files(people: People, tmp_path: Path) -> None:
    people.activate("ada", "ben")
    film = tmp_path / "film.bin"
    film.write_bytes(bytes(range(256)) * 9000)
    people.ok("ada", "send", people.address("ben"), "look", "--file", str(film))
    folder = tmp_path / "in"
    folder.mkdir()
    text, file = people.ok("ben", "receive", "--json", "--save-to", str(folder)).json
    assert text["text"] == "look"
    assert file["file"]["size"] == 9000 * 256
    assert Path(file["file"]["path"]).read_bytes() == film.read_bytes()
    saved = people.ok("ben", "conversation", "save", file["id"], str(folder)).lines
    assert saved == [str(folder / "film (2).bin")]
    assert people.run("ada", "send", people.address("ben"), "--file", str(tmp_path / "none")).status == 97
    assert people.run("ben", "receive", "--save-to", str(tmp_path / "none")).status == 97


def test_a_file_that_is_bad_holds_nothing_back(people: People, tmp_path: Path) -> None:
    people.activate("ada", "ben")
    (tmp_path / "note").write_text("x" * 1000)
    before = {path for path in people.relay.data_dir.glob("attachments/**/*") if path.is_file()}
    people.ok("ada", "send", people.address("ben"), "--file", str(tmp_path / "note"))
    people.ok("ada", "send", people.address("ben"), "and so on")
    (stored,) = {path for path in people.relay.data_dir.glob("attachments/**/*") if path.is_file()} - before
    stored.write_bytes(bytes(stored.stat().st_size))
    folder = tmp_path / "in"
    folder.mkdir()
    ran = people.ok("ben", "receive", "--json", "--save-to", str(folder))
    file, text = ran.json
    assert file["file"]["error"] == "attachment.corrupt"
    assert "[attachment.corrupt]" in ran.err
    assert text["text"] == "and so on"
    assert list(folder.iterdir()) == []
    assert people.ok("ben", "receive", "--save-to", str(folder)).out == ""


def test_groups(people: People) -> None:
    people.activate("ada", "ben", "cyd")
    ada, ben, cyd = (people.address(name) for name in ("ada", "ben", "cyd"))
    people.ok("ada", "conversation", "new", "the desk", ben)
    people.ok("ada", "conversation", "add", "the desk", cyd)
    people.ok("cyd", "send", "the desk", "I am in")
    for name in ("ada", "ben"):
        assert [m["text"] for m in people.ok(name, "receive", "--json").json] == ["I am in"]
    people.ok("ben", "conversation", "rename", "the desk", "night desk")
    people.ok("ben", "conversation", "timer", "night desk", "2h")
    listed = people.ok("ada", "conversation", "list", "--json").json
    assert [(c["name"], c["timer"], c["members"]) for c in listed] == [
        ("night desk", 7200, sorted([ada, ben, cyd]))
    ]
    people.ok("ada", "conversation", "remove", "night desk", cyd)
    assert "(left" in people.ok("cyd", "conversation", "list").out
    assert people.run("cyd", "send", "night desk", "hello?").status == 91
    people.ok("ben", "conversation", "leave", "night desk")
    people.ok("ada", "conversation", "list")
    (left,) = people.ok("ada", "conversation", "list", "--json").json
    assert left["members"] == [ada]
    assert people.run("ada", "conversation", "add", "night desk", ada).status == 92


def test_verifying(people: People) -> None:
    people.activate("ada", "ben")
    mine = people.ok("ada", "verify", people.address("ben"))
    his = people.ok("ben", "verify", people.address("ada"), "--yes")
    # Whole groups: the random tail of an address may have five digits in a row.
    digits = [re.findall(r"\b\d{5}\b", ran.out) for ran in (mine, his)]
    assert len(digits[0]) == 12
    assert digits[0] == digits[1]
    assert mine.lines[-1] == "Not marked."
    assert his.lines[-1].endswith("is marked as verified.")
    assert people.run("ada", "verify", "nobody-at-all@localhost").status == 36


def test_a_new_identity_is_taken_as_it_was_seen(people: People) -> None:
    people.activate("ada", "ben")
    ben = people.address("ben")
    known = people.ok("ada", "verify", ben, "--yes")
    asyncio.run(_another_identity(Path(people.home("ada")), ben))
    shown = people.ok("ada", "verify", ben)
    assert "HAS CHANGED" in shown.err
    assert shown.lines[-1] == "Not marked."
    digits = "".join(re.findall(r"\b\d{5}\b", shown.out))
    before = "".join(re.findall(r"\b\d{5}\b", known.out))
    assert len(digits) == 60
    assert digits != before
    # Nobody saw which, or somebody saw another one.
    for wrong, status in (
        (("--accept",), 2),
        (("--yes",), 2),
        (("--accept", "--number", before), 93),
        (("--accept", "--number", digits[:-1]), 93),
    ):
        assert people.run("ada", "verify", ben, *wrong).status == status, wrong
    assert people.run("ada", "send", ben, "secret").status == 93
    taken = people.ok("ada", "verify", ben, "--accept", "--number", digits)
    assert taken.lines[-1] == "Not marked."
    again = people.ok("ada", "verify", ben, "--accept", "--number", digits, "--yes")
    assert "HAS CHANGED" not in again.err
    assert again.lines[-1] == f"{ben} is marked as verified."


async def _another_identity(home: Path, address: str) -> None:
    async with await Phone.open(home) as phone:
        contact = await phone.contact(address)
        with phone._engine.core.change():
            phone._engine.contacts._learn(address, contact.line_id, bytes(range(32)))


def test_a_second_device(people: People) -> None:
    people.activate("ada", "ben")
    people.ok("ada", "send", people.address("ben"), "before")
    relay = ["--relay", f"localhost:{people.relay.port}", "--pin", people.relay.pin or ""]
    tablet = begin("--home", people.home("tablet"), "devices", "link", *relay)
    assert tablet.stdout is not None
    assert "within ten minutes" in tablet.stdout.readline()
    link = tablet.stdout.readline().split("'")[1]
    assert people.ok("ada", "devices", "add", link).lines == ["The new device is in all conversations."]
    out, err = tablet.communicate(timeout=60)
    assert tablet.returncode == 0, err
    assert people.address("ada") in out
    assert len(people.ok("ada", "devices").lines) == 2
    assert [d["this"] for d in people.ok("tablet", "devices", "list", "--json").json].count(True) == 1
    people.ok("ben", "send", people.address("ada"), "to both")
    for name in ("ada", "tablet"):
        assert [m["text"] for m in people.ok(name, "receive", "--json").json] == ["to both"]
    assert people.run("ada", "devices", "add", link).status == 44


def test_following(people: People) -> None:
    people.activate("ada", "ben")
    follower = begin("--home", people.home("ben"), "receive", "--json", "--follow")
    assert follower.stdout is not None
    try:
        people.ok("ada", "send", people.address("ben"), "one")
        assert '"text":"one"' in follower.stdout.readline()
        people.ok("ada", "send", people.address("ben"), "two")
        assert '"text":"two"' in follower.stdout.readline()
    finally:
        follower.send_signal(2)
    _, err = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert err == ""


def test_chat_through_a_pipe(people: People, tmp_path: Path) -> None:
    people.activate("ada", "ben")
    ada, ben = people.address("ada"), people.address("ben")
    (tmp_path / "note.txt").write_text("a note")
    script = [
        "nowhere yet",
        f"/to {ben}",
        "hello from the pipe",
        "//slashed",
        "/nonsense",
        f"/file {tmp_path}/note.txt",
        f'/group "two of us" {ben}',
        "/members",
        "in the group",
        "/timer 1h",
        "/list",
        "/help",
        "/quit",
        "never sent",
    ]
    said = people.ok("ada", "chat", stdin="\n".join(script) + "\n")
    assert said.lines[0].startswith(f"You are {ada}")
    assert "[conversation.unknown]" in said.out
    assert "No such command" in said.out
    assert f"(members: {ada}, {ben})" in said.out
    got = people.ok("ben", "receive", "--json").json
    assert [m["text"] for m in got if m["kind"] == "text"] == [
        "hello from the pipe",
        "/slashed",
        "in the group",
    ]
    assert [m["file"]["name"] for m in got if m["kind"] == "file"] == ["note.txt"]


def test_two_chats_at_once(people: People) -> None:
    people.activate("ada", "ben")
    one = begin("--home", people.home("ada"), "chat", people.address("ben"))
    other = begin("--home", people.home("ben"), "chat", people.address("ada"))
    for process in (one, other):
        assert process.stdout is not None
        until_line(process, "Talking in")
    say(one, "are you there?")
    until_line(other, "are you there?")
    say(other, "yes")
    until_line(one, "yes")
    for process in (one, other):
        say(process, "/quit")
        process.communicate(timeout=30)
        assert process.returncode == 0


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def until_line(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    while line := process.stdout.readline():
        if text in line:
            return line
    raise AssertionError(f"ended without {text!r}: {process.stderr.read() if process.stderr else ''}")


def test_a_plain_code_and_a_bare_name(people: People) -> None:
    relay = ["--relay", f"localhost:{people.relay.port}", "--pin", people.relay.pin or ""]
    name = people.address("ada").partition("@")[0]
    ran = people.ok("ada", "activate", people.relay.code(), "--name", name, *relay)
    assert people.address("ada") in ran.out
    assert people.run("ben", "activate", people.relay.code(), "--name", people.address("ben")).status == 2


def test_in_french(people: People) -> None:
    ran = people.ok("ada", "activate", people.link(), "--name", people.address("ada"), CHAPPE_LANG="fr")
    assert ran.out.startswith("La ligne ")


def test_what_others_write_does_not_drive_the_terminal(people: People) -> None:
    people.activate("ada", "ben")
    people.ok("ada", "send", people.address("ben"), "a\x1b[2Jb\x07c\u202ed\r\x9b31m")
    shown = people.ok("ben", "receive").out
    assert "a[2Jbcd31m" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    people.ok("ada", "send", people.address("ben"), "x\x1b[2J")
    assert "\\u001b" in people.ok("ben", "receive", "--json").out
