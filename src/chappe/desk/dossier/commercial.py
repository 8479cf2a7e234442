"""The commercial brochure that goes with a declaration: what is offered, to whom, and what it does not do."""

from __future__ import annotations

from chappe.desk.dossier import wording
from chappe.desk.dossier.declaring import Declaring
from chappe.desk.dossier.paper import Fields, Grid, Items, Note, Paper, Section, Text
from chappe.wire.terms import CLOSED_AFTER_DAYS, DEFAULT_MONTHS, FORGOTTEN_AFTER_DAYS, GRACE_DAYS


def commercial(it: Declaring) -> Paper:
    """For customers: no claim in it that docs/security.md does not make."""
    say, means = it.say, it.form.means
    name = means.brand or means.name
    return Paper(
        language=it.language,
        title=say(f"{name}: commercial brochure", f"{name} : brochure commerciale"),
        kind=say(
            "Encrypted phone lines for organisations", "Lignes téléphoniques chiffrées pour organisations"
        ),
        author=it.author,
        date=it.date,
        foot=it.foot,
        draft=it.draft,
        summary=say(
            "Messages, files and groups that nobody but their members reads, on the phones that people "
            "have. The "
            "server is run by the operator on its own soil and holds no key to them.",
            "Messages, fichiers et groupes que seuls leurs membres lisent, sur les téléphones que chacun "
            "possède. "
            "Le serveur est exploité par l'opérateur sur son propre sol et n'en détient aucune clé.",
        ),
        sections=[_offer(it), _terms(it), _limits(it), _contact(it)],
    )


def _offer(it: Declaring) -> Section:
    say = it.say
    return Section(
        say("1. What is offered", "1. L'offre"),
        [
            Text(
                say(
                    "For newsrooms, law firms, hospitals, associations, administrations and companies.",
                    "Pour rédactions, cabinets d'avocats, hôpitaux, associations, administrations et "
                    "entreprises.",
                )
            ),
            Items(
                [
                    say(
                        "End-to-end encryption of everything that is said (MLS, RFC 9420), with a "
                        "post-quantum "
                        "key exchange by default",
                        "Chiffrement de bout en bout de tout ce qui est dit (MLS, RFC 9420), avec un "
                        "échange de "
                        "clés post-quantique par défaut",
                    ),
                    say(
                        "Any recent Android or iPhone browser, and a terminal client: no handset to buy",
                        "Tout navigateur Android ou iPhone récent, et un client de terminal : aucun "
                        "appareil à "
                        "acheter",
                    ),
                    say(
                        "A lost phone becomes unreadable on the customer's order, also one that never comes "
                        "online again; neither operator nor reseller can order it",
                        "Un téléphone perdu devient illisible sur ordre du client, même s'il ne se "
                        "reconnecte "
                        "jamais ; ni l'opérateur ni le revendeur ne peuvent l'ordonner",
                    ),
                    say(
                        "The source is published (AGPL-3.0-or-later)",
                        "Le code source est publié (AGPL-3.0-or-later)",
                    ),
                ]
            ),
        ],
    )


def _terms(it: Declaring) -> Section:
    say = it.say
    rows = [
        (say("a term", "une période"), f"{DEFAULT_MONTHS} {say('months', 'mois')}"),
        (
            say("after its end: receives, sends nothing", "après sa fin : reçoit, n'envoie rien"),
            f"{GRACE_DAYS} {say('days', 'jours')}",
        ),
        (
            say(
                "then suspended; what is on the phone stays readable",
                "puis suspendue ; le contenu reste lisible",
            ),
            say(f"until day {CLOSED_AFTER_DAYS}", f"jusqu'au {CLOSED_AFTER_DAYS}e jour"),
        ),
        (
            say("then closed, and forgotten", "puis fermée, et oubliée"),
            say(f"on day {FORGOTTEN_AFTER_DAYS}", f"le {FORGOTTEN_AFTER_DAYS}e jour"),
        ),
    ]
    return Section(
        say("2. How a line is sold", "2. La vente d'une ligne"),
        [
            Text(
                say(
                    "A line is paid by terms, with codes of accredited resellers, whom the operator's public "
                    "register names. A code of anybody else does not activate.",
                    "Une ligne se paie par périodes, avec des codes de revendeurs agréés, que nomme le "
                    "registre "
                    "public de l'opérateur. Le code de toute autre personne ne s'active pas.",
                )
            ),
            Grid(
                [say("Stage", "Étape"), say("How long", "Durée")],
                [list(row) for row in rows],
                [3, 1.2],
                "",
            ),
        ],
    )


def _limits(it: Declaring) -> Section:
    say = it.say
    return Section(
        say("3. What it does not do", "3. Ce que le moyen ne fait pas"),
        [
            Items(
                [
                    say("It makes no voice and no video calls.", "Ni appel vocal, ni appel vidéo."),
                    say(
                        "It does not protect a phone that is open in somebody else's hands, nor one "
                        "whose system "
                        "is compromised.",
                        "Il ne protège pas un téléphone ouvert entre les mains d'autrui, ni un téléphone "
                        "dont le "
                        "système est compromis.",
                    ),
                    say(
                        "No outside audit has been made yet.",
                        "Aucun audit extérieur n'a encore été réalisé.",
                    ),
                ]
            ),
            Text(say("The operator does not hold:", "L'opérateur ne détient pas :")),
            Items(wording.in_no_hand(it.language)),
        ],
    )


def _contact(it: Declaring) -> Section:
    say, who = it.say, it.form.declarant
    place = " ".join(part for part in (who.address, who.postal_code, who.city, who.country) if part)
    return Section(
        say("4. Supplier", "4. Fournisseur"),
        [
            Fields(
                [
                    (say("Supplied by", "Fourni par"), who.name),
                    (say("Address", "Adresse"), place),
                    (say("E-mail", "Adresse électronique"), who.email),
                    (say("Website", "Site"), who.website or "—"),
                    (say("Version", "Version"), it.version),
                ]
            ),
            Note(
                say(
                    "Means of cryptology, subject to declaration under articles 29 ff. of law 2004-575 "
                    "of 21 June 2004.",
                    "Moyen de cryptologie soumis à déclaration au titre des articles 29 et suivants de "
                    "la loi 2004-575 "
                    "du 21 juin 2004.",
                )
            ),
        ],
    )
