"""A line of the attacker's own making: keys, certificate, key packages, and the conversations that let it in.

It says any address it likes; what it lacks is the identity key of the line that it plays. What it is let in
to it reads, as any member would: its texts are the attacker's spoils.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from bench.drill.middleman import Peer
from chappe.client.groups import CAPABILITIES, SUITE, Description
from chappe.client.identity import Me, new_line
from chappe.mls import (
    Add,
    ApplicationMessage,
    Group,
    KeyPackageBundle,
    MLSError,
    accept_any,
    create_key_package,
    parse_key_package,
)
from chappe.wire import chain, frames
from chappe.wire import content as c
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace

_YEAR = 365 * 24 * 3600


@dataclass
class Puppet:
    me: Me
    texts: list[str] = field(default_factory=list)
    _bundles: list[KeyPackageBundle] = field(default_factory=list)
    _groups: dict[bytes, Group] = field(default_factory=dict)

    @classmethod
    def named(cls, address: str, place: RelayPlace) -> Puppet:
        return cls(new_line(address, place, int(time.time())))

    @property
    def device(self) -> bytes:
        return self.me.device_id

    def package(self) -> bytes:
        now = int(time.time())
        bundle = create_key_package(
            SUITE,
            self.me.signer,
            self.me.credential,
            not_before=now - 3600,
            not_after=now + _YEAR // 8,
            capabilities=CAPABILITIES,
        )
        self._bundles.append(bundle)
        return bundle.message

    def entry(self, *, with_package: bool) -> frames.DeviceEntry:
        """How the relay would show it."""
        package = self.package() if with_package else None
        return frames.DeviceEntry(self.device, self.me.certificate.to_bytes(), package)

    def answer(self, ref: int, *, with_package: bool) -> frames.Line:
        """What the relay would say of its line."""
        certificate = self.me.certificate
        return frames.Line(
            ref,
            certificate.line_id,
            certificate.address,
            certificate.identity_key,
            [self.entry(with_package=with_package)],
            secrets.token_bytes(32),
        )

    # --- as a member

    def taken_out(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        """What a phone says, without what is for this puppet, who reads it"""
        if isinstance(frame, frames.Commit):
            for welcome in frame.welcomes:
                if self.device in welcome.to:
                    self._join(welcome.payload)
            self._process(frame.payload if self.device in frame.to else b"")
            welcomes = [
                frames.WelcomeFor(others, welcome.payload)
                for welcome in frame.welcomes
                if (others := [one for one in welcome.to if one != self.device])
            ]
            others = [one for one in frame.to if one != self.device]
            return [msgspec.structs.replace(frame, to=others, welcomes=welcomes)]
        if isinstance(frame, frames.Send) and self.device in frame.to:
            self._process(frame.payload)
            others = [one for one in frame.to if one != self.device]
            if others:
                return [msgspec.structs.replace(frame, to=others)]
            peer.say(frames.Accepted(frame.ref, frame.id, int(time.time()) + _YEAR))
            return []
        return [frame]

    def _join(self, welcome: bytes) -> None:
        for bundle in self._bundles:
            try:
                group = Group.join(welcome, bundle, self.me.signer, authenticate=accept_any)
            except MLSError:
                continue
            self._groups[group.group_id] = group

    def _process(self, payload: bytes) -> None:
        for id_, group in list(self._groups.items()):
            try:
                self._groups[id_], received = group.process(
                    payload, now=int(time.time()), authenticate=accept_any
                )
            except MLSError:
                continue
            if isinstance(received, ApplicationMessage):
                self._read(received.data)

    def _read(self, data: bytes) -> None:
        try:
            body = c.decode(chain.decode(data).body).body
        except ChappeError:
            return
        if isinstance(body, c.Text):
            self.texts.append(body.text)

    # --- as a founder

    def lets_in(
        self, package: bytes, kind: str, group_id: bytes, name: str, text: str
    ) -> tuple[bytes, bytes]:
        """A conversation of its own with the owner of a key package: the Welcome, and a message in it."""
        now = int(time.time())
        group = Group.create(
            SUITE,
            group_id,
            self.me.signer,
            self.me.credential,
            now=now,
            extensions=(Description(kind, name, 0).extension(),),
            capabilities=CAPABILITIES,
        )
        result = group.commit([Add(parse_key_package(package))], now=now)
        assert result.welcome is not None
        after = result.group
        link = chain.Link(secrets.token_bytes(chain.STREAM_BYTES), 1, after.epoch, chain.START)
        content = c.encode(c.Message(secrets.token_bytes(16), c.Text(text)))
        history = after.transcript_hash(after.epoch)
        assert history is not None
        said = chain.history(group_id, after.epoch, history)
        _, message = after.encrypt(link.encode() + content, now=now, authenticated_data=said)
        return result.welcome, message
