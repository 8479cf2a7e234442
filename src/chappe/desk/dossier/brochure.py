"""The technical brochure that goes with a declaration."""

from __future__ import annotations

from chappe.desk.dossier import wording
from chappe.desk.dossier.calls import Calls, files_of
from chappe.desk.dossier.declaring import Declaring
from chappe.desk.dossier.paper import Grid, Hex, Items, Note, Paper, Section, Text
from chappe.wire.cryptology import DEFAULT_SUITE, SUITES, TABLE, canonical, fingerprint, inventory


def brochure(it: Declaring, found: Calls) -> Paper:
    """`found`: what the running code calls, so that each algorithm names its files."""
    say = it.say
    return Paper(
        language=it.language,
        title=say(f"Chappe {it.version}: technical brochure", f"Chappe {it.version} : brochure technique"),
        kind=say("Description of the functions of cryptology", "Description des fonctions de cryptologie"),
        author=it.author,
        date=it.date,
        foot=it.foot,
        draft=it.draft,
        summary=say(
            "What is encrypted, signed and derived, by which published algorithms, with which keys, "
            "and in which "
            "files of the program. Made from the program itself.",
            "Ce qui est chiffré, signé et dérivé, par quels algorithmes publiés, avec quelles clés, "
            "et dans quels "
            "fichiers du programme. Document produit par le programme lui-même.",
        ),
        sections=[*_architecture(it), *_protocols(it), *_details(it, found), *_annex(it)],
    )


def _architecture(it: Declaring) -> list[Section]:
    say = it.say
    return [
        Section(
            say("1. Architecture", "1. Architecture"),
            [
                Grid(
                    [
                        say("Component", "Composant"),
                        say("Part", "Rôle"),
                        say("Keys it holds", "Clés détenues"),
                    ],
                    [
                        [
                            say("Phone", "Téléphone"),
                            say(
                                "Web application, installable; terminal client and Python library "
                                "with the same protocol",
                                "Application web installable ; client de terminal et bibliothèque "
                                "Python au même protocole",
                            ),
                            say(
                                "All keys of its line and conversations, in an encrypted vault",
                                "Toutes les clés de sa ligne et de ses conversations, dans un coffre chiffré",
                            ),
                        ],
                        [
                            say("Relay", "Relais"),
                            say(
                                "Mailboxes of ciphertexts, encrypted files, public keys",
                                "Boîtes de textes chiffrés, fichiers chiffrés, clés publiques",
                            ),
                            say(
                                "Its TLS key and its Web Push key; none to what lines say",
                                "Sa clé TLS et sa clé Web Push ; aucune clé vers ce que disent les lignes",
                            ),
                        ],
                        [
                            say("Share service", "Service des parts"),
                            say(
                                "Part of the relay, or a machine of its own; counts tries at a PIN",
                                "Partie du relais, ou machine distincte ; compte les essais de code",
                            ),
                            say(
                                "Shares, which open nothing alone, under an epoch key",
                                "Les parts, qui n'ouvrent rien seules, sous une clé d'époque",
                            ),
                        ],
                        [
                            say("Officer", "Officier"),
                            say(
                                "Orders erasing, signed; on the customer's own machine",
                                "Ordonne l'effacement, signé ; sur la machine du client",
                            ),
                            say(
                                "Fleet key and own keys, in a sealed file",
                                "Clé de flotte et clés propres, dans un fichier scellé",
                            ),
                        ],
                    ],
                    [1, 2.4, 2.2],
                    "",
                ),
                Text(say("The operator does not hold:", "L'opérateur ne détient pas :")),
                Items(wording.in_no_hand(it.language)),
            ],
        ),
    ]


def _protocols(it: Declaring) -> list[Section]:
    say = it.say
    return [
        Section(
            say("2. Protocols", "2. Protocoles"),
            [
                Grid(
                    [
                        say("Protocol", "Protocole"),
                        say("Use", "Usage"),
                        say("Parameters", "Paramètres"),
                        say("Standards", "Normes"),
                    ],
                    [
                        [
                            f"{row.algorithm} {wording.mode(row, it.language)}",
                            row.use[it.language],
                            wording.parameters(row, it.language),
                            ", ".join(row.standards),
                        ]
                        for row in wording.protocols()
                    ],
                    [1.1, 2.2, 2, 1.4],
                    "",
                ),
            ],
        ),
        Section(
            say("2.1 Cipher suites of MLS", "2.1 Suites cryptographiques de MLS"),
            [
                Grid(
                    [say("Number", "Numéro"), say("Name", "Nom"), say("Use", "Usage")],
                    [
                        [
                            f"0x{number:04X}",
                            name,
                            say("default of all conversations", "par défaut, toutes les conversations")
                            if number == DEFAULT_SUITE
                            else say("interoperability of the engine", "interopérabilité du moteur"),
                        ]
                        for number, name in SUITES.items()
                    ],
                    [0.7, 3.6, 2.2],
                    "",
                ),
                Note(
                    say(
                        "0xF00D is of RFC 9420's private-use range: no number for X-Wing is "
                        "registered yet. Chappe's own "
                        "clients make conversations with this suite alone.",
                        "0xF00D appartient à la plage d'usage privé du RFC 9420 : aucun numéro n'est "
                        "encore enregistré pour "
                        "X-Wing. Les clients de Chappe ne créent de conversations qu'avec cette suite.",
                    )
                ),
            ],
            2,
        ),
    ]


def _details(it: Declaring, found: Calls) -> list[Section]:
    say = it.say
    rows = []
    for row in TABLE:
        files = files_of(row, found)
        shown = ", ".join(files[:4]) + (f" (+{len(files) - 4})" if len(files) > 4 else "")
        rows.append(
            [
                f"{wording.algorithm(row, it.language)} {wording.mode(row, it.language)}",
                wording.bits(row, it.language),
                wording.parameters(row, it.language) or "—",
                shown or wording.library(row, it.language),
            ]
        )
    return [
        Section(
            say("3. Algorithms", "3. Algorithmes"),
            [
                wording.form_table(it.language),
            ],
        ),
        Section(
            say("3.1 Parameters, and where the code calls them", "3.1 Paramètres, et où le code les appelle"),
            [
                Grid(
                    [
                        say("Algorithm", "Algorithme"),
                        say("Longest key", "Clé maximale"),
                        say("Parameters", "Paramètres"),
                        say("Files", "Fichiers"),
                    ],
                    rows,
                    [1.3, 1, 2, 2.7],
                    "",
                ),
            ],
            2,
        ),
        Section(
            say("3.2 Standards and libraries", "3.2 Normes et bibliothèques"),
            [wording.standards_table(it.language)],
            2,
        ),
        Section(
            say(
                "4. Keys: generation, distribution, storage, destruction",
                "4. Clés : génération, distribution, stockage, destruction",
            ),
            [wording.keys_table(it.language)],
        ),
        Section(
            say("5. Three reference outputs", "5. Trois sorties de référence"),
            wording.reference_blocks(it.references, it.language),
        ),
    ]


def _annex(it: Declaring) -> list[Section]:
    say = it.say
    size = len(canonical(inventory()))
    return [
        Section(
            say("6. Fingerprint", "6. Empreinte"),
            [
                Text(
                    say(
                        f"The inventory of the algorithms is one JSON text of {size:,} bytes, with "
                        f"sorted keys and without "
                        "spaces (dossier.json). Its SHA-256 changes when, and only when, an "
                        "algorithm, mode, key length, "
                        "parameter, function, standard or library changes.",
                        f"L'inventaire des algorithmes est un texte JSON de {size} octets, aux clés "
                        f"triées et sans espaces "
                        "(dossier.json). Son SHA-256 change si, et seulement si, un algorithme, un "
                        "mode, une taille de clé, "
                        "un paramètre, une fonction, une norme ou une bibliothèque change.",
                    )
                ),
                Hex([("SHA-256", fingerprint())]),
                Text(wording.duty(it.language)),
            ],
        ),
        Section(
            say("7. Limits", "7. Limites"),
            [
                Text(
                    say(
                        "No outside audit has been made yet. Signatures are not post-quantum, except "
                        "for the log's "
                        "cosignatures. docs/security.md says what is not protected.",
                        "Aucun audit externe n'a encore été mené. Les signatures ne sont pas "
                        "post-quantiques, sauf les "
                        "cosignatures du journal. docs/security.md dit ce qui n'est pas protégé.",
                    )
                ),
            ],
        ),
    ]
