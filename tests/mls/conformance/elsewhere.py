"""The hand-kept part of docs/mls-conformance.md."""

from __future__ import annotations

ELSEWHERE: list[tuple[str, str, str]] = [
    (
        "5.3",
        "The key of an X.509 certificate is the leaf's signature key",
        "the application's `authenticate`; Chappe's clients take basic credentials only",
    ),
    (
        "5.3.3",
        "An application relies on no `application_id` as if it were authenticated",
        "Chappe's clients do not read the extension",
    ),
    (
        "6.2",
        "The sender of a PublicMessage sets its membership tag",
        "`protection.protect_public`; the vectors `message-protection.json`",
    ),
    (
        "6.3.1",
        "The reuse guard is fresh and random, and stands in the sender data",
        "`protection.protect_private`: four bytes of `random` for each message",
    ),
    (
        "6.3.1",
        "A client keeps where it is in the key schedule",
        "`Group.encrypt` gives the new state with the message; clients store it before the message leaves",
    ),
    (
        "6.3.2",
        "Only a member's sender data are made",
        "`protection.protect_private` refuses other senders",
    ),
    (
        "7.2",
        "The application defines the longest lifetime of a leaf",
        "`leaf_rules.MAX_LEAF_LIFETIME`, which `max_lifetime` of each call replaces",
    ),
    (
        "7.2",
        "Each change of a leaf is signed anew",
        "`treekem.create_path` and `Group.propose_update`; `LeafNode.signed` makes every signature",
    ),
    (
        "7.5",
        "Outdated path secrets and key pairs are deleted",
        "`treekem.decrypt_path` returns no path secret that is kept; `commits.kept_keys` drops replaced keys",
    ),
    ("7.7", "The tree stays full: it is doubled and halved", "the vectors `tree-operations.json`"),
    ("7.8", "Tree hashes", "the vectors `tree-validation.json`"),
    ("8", "The key schedule's values", "the vectors `key-schedule.json`"),
    ("8.2", "The transcript hashes' values", "the vectors `transcript-hashes.json`"),
    (
        "8.4",
        "The nonce of a PSK is fresh and random",
        "`successors` draws it for ReInit and branching; for others the caller gives it in `PreSharedKeyID`",
    ),
    ("8.4", "The PSK secret's values", "the vectors `psk_secret.json`"),
    (
        "9.1",
        "No key and nonce encrypts two messages",
        "`secret_tree.Ratchet.take`; see also 6.3.1 on the stored state",
    ),
    (
        "9.2",
        "Consumed keys are deleted",
        "`secret_tree`: a taken key and its ancestors are in no later state",
    ),
    (
        "10",
        "The init key is unique among a client's key packages",
        "`key_package.create_key_package` draws a new one for each",
    ),
    (
        "11",
        "A founder holds its choice of version and suite against the members' key packages",
        "the client: one suite, the same for all; an Add of another is refused (12.1.1)",
    ),
    (
        "11",
        "The state of a new group at epoch 0",
        "`joining.create_group`; every test of a group starts from it",
    ),
    ("12.1.4", "The nonce of a PSK is randomly sampled", "as 8.4"),
    (
        "12.1.8",
        "A proposal from outside is a PublicMessage",
        "no PrivateMessage can say so: its sender is a leaf (`framing`)",
    ),
    (
        "12.2",
        "A new member is no client that is a member already, as the application sees it",
        "the engine compares signature keys; beyond these `authenticate` decides",
    ),
    ("12.2", "The application's own rules for lists", "`client/inbox.py` checks each commit and proposal"),
    (
        "12.4.3.1",
        "The tree is fetched before the Welcome is processed",
        "every Welcome of the engine carries it; else `ratchet_tree` of `Group.join`",
    ),
    ("13.5", "GREASE values get no rules of their own", "`grease` is used for sending only"),
    (
        "14",
        "Conflicting commits of an epoch are resolved",
        "the relay accepts one commit for each epoch; the others are made again",
    ),
    (
        "14",
        "A Welcome is delivered only once its commit was accepted",
        "clients hand it to the relay with the commit",
    ),
]

DEVIATIONS: list[tuple[str, str]] = [
    (
        "7.3",
        "whether the lifetime of a received leaf holds now is not checked (RECOMMENDED): clocks "
        "that differ must not split a group. Who sends a leaf checks it.",
    ),
    (
        "7.3",
        "a joiner does not try every key of the tree for being of low order: the members did when "
        "the keys came in, and an inviter who made up the tree has worse means.",
    ),
    (
        "10",
        "an extension of a key package that its leaf does not list is not refused on receiving: "
        "section 13.4 wants unknown ones ignored. `create_key_package` makes no such key package.",
    ),
    (
        "11.2",
        "a reinitialised group must have exactly the members of the old one, not only all of them.",
    ),
    (
        "12.4.2",
        "a member that a commit removes takes note of its removal from the commit's signature and "
        "list: the path and the confirmation tag are for the others.",
    ),
    (
        "12.4.3",
        "the GroupInfo in a Welcome holds no GREASE (SHOULD); that of `Group.group_info` holds what "
        "the caller gives, and so do key packages and leaves.",
    ),
    (
        "13.5",
        "capabilities are sent without GREASE unless the caller passes them through `greased` (SHOULD).",
    ),
]
