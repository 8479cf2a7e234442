"""Why the desk keeps each of its columns, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chappe.wire.kept import AT, FOR_GOOD, MADE_AT, THE_ORGANISATION, VERSION, WHILE_RUNNING, Kept, Words

_TEN_YEARS: Final[Words] = (
    "ten years, as commercial law asks for",
    "dix ans, comme le veut le droit commercial",
)
_ACCOUNT: Final[Words] = ("whose account", "compte concerné")
_RESELLER: Final[Words] = ("which reseller", "revendeur concerné")
_WITH_ACCOUNT: Final[Words] = (
    "until it is removed or the account is closed",
    "jusqu'au retrait ou à la fermeture du compte",
)
_DIGEST: Final[Words] = (
    "hash; the secret itself is not kept",
    "condensat ; le secret lui-même n'est pas conservé",
)
_CURRENCY: Final[Words] = ("currency", "devise")
_VAT_RATE: Final[Words] = ("VAT rate", "taux de TVA")
_BATCH: Final[Words] = ("which order of codes", "commande de codes concernée")
_REGISTERED: Final[Words] = ("as it is registered", "identité légale")
_POSTAL: Final[Words] = ("postal address", "adresse postale")
_CIVIL: Final[Words] = ("civil identity, asked by law", "identité civile, demandée par la loi")
_LANGUAGE: Final[Words] = ("language to write in", "langue de correspondance")

TABLES: Final[Mapping[str, Kept]] = {
    "log": Kept(
        (
            "The desk's audit log: what accounts did, without names",
            "Le journal d'audit du guichet : les actes des comptes, sans nom",
        ),
        FOR_GOOD,
        {
            "number": ("place in the log", "place dans le journal"),
            "entry": ("what was done", "ce qui a été fait"),
            "root": ("hash of the log up to here", "condensat du journal jusqu'ici"),
            "at": AT,
            "what": ("kind of act", "nature de l'acte"),
            "account": _ACCOUNT,
            "subject": ("what it was done to", "objet de l'acte"),
            "reseller": _RESELLER,
            "organisation": THE_ORGANISATION,
        },
    ),
    "log_heads": Kept(
        ("The head of that log", "La tête de ce journal"),
        FOR_GOOD,
        {"head": ("one row", "une seule ligne"), "chain": ("hashes", "condensats")},
    ),
    "accounts": Kept(
        ("A person who uses the console", "Une personne qui utilise la console"),
        (
            "as long as the desk is run; closed ones too, for the log",
            "tant que le guichet est exploité ; les comptes fermés aussi, pour le journal",
        ),
        {
            "account": ("random id", "identifiant aléatoire"),
            "role": ("what it may do", "droits"),
            "name": ("who it is", "identité"),
            "email": ("where to write to", "adresse électronique"),
            "language": _LANGUAGE,
            "reseller": _RESELLER,
            "organisation": THE_ORGANISATION,
            "created_at": MADE_AT,
            "closed_at": ("when it was closed", "date de fermeture"),
            "version": VERSION,
        },
    ),
    "passkeys": Kept(
        ("A passkey that signs in", "Une clé d'accès pour se connecter"),
        _WITH_ACCOUNT,
        {
            "passkey": ("its id", "identifiant"),
            "account": _ACCOUNT,
            "credential": ("its public key", "clé publique"),
            "signatures": ("counter that shows a copy", "compteur qui révèle une copie"),
            "label": ("the name its owner gave it", "nom donné par son titulaire"),
            "created_at": MADE_AT,
            "used_at": ("when it was last used", "dernière utilisation"),
        },
    ),
    "recovery_codes": Kept(
        ("A code for who lost all passkeys", "Un code pour qui a perdu ses clés d'accès"),
        _WITH_ACCOUNT,
        {
            "digest": _DIGEST,
            "account": _ACCOUNT,
            "created_at": MADE_AT,
            "used_at": ("when it was used", "date d'usage"),
        },
    ),
    "sign_in_links": Kept(
        ("A link for a first sign-in", "Un lien de première connexion"),
        _WITH_ACCOUNT,
        {
            "digest": _DIGEST,
            "account": _ACCOUNT,
            "created_at": MADE_AT,
            "expires_at": ("until when it holds", "date d'expiration"),
            "used_at": ("when it was used", "date d'usage"),
        },
    ),
    "ceremonies": Kept(
        ("A sign-in that is under way", "Une connexion en cours"),
        ("minutes", "quelques minutes"),
        {
            "digest": _DIGEST,
            "kind": ("what for", "objet"),
            "account": _ACCOUNT,
            "challenge": ("random number to sign", "aléa à signer"),
            "expires_at": ("when it is void", "date d'expiration"),
        },
    ),
    "sessions": Kept(
        ("Who is signed in", "Qui est connecté"),
        ("12 hours at the most", "12 heures au plus"),
        {
            "digest": _DIGEST,
            "account": _ACCOUNT,
            "enrolling": ("good for making a passkey only", "limitée à la création d'une clé d'accès"),
            "signed_in_at": ("since when", "début"),
            "seen_at": ("last seen", "dernière activité"),
        },
    ),
    "tokens": Kept(
        ("An API token", "Un jeton d'API"),
        (
            "until it expires or is revoked; the row stays for the log",
            "jusqu'à expiration ou révocation ; la ligne reste pour le journal",
        ),
        {
            "token": ("random id", "identifiant aléatoire"),
            "digest": _DIGEST,
            "account": _ACCOUNT,
            "label": ("its name", "nom"),
            "scopes": ("what it may do", "droits"),
            "created_at": MADE_AT,
            "expires_at": ("until when it holds", "date d'expiration"),
            "revoked_at": ("when it was revoked", "date de révocation"),
            "used_at": ("last hour of use", "dernière heure d'usage"),
        },
    ),
    "answers": Kept(
        (
            "What was answered, so that a double click is done once",
            "Réponses données, pour qu'un double clic ne compte qu'une fois",
        ),
        ("a day", "un jour"),
        {
            "digest": ("hash of who asked", "condensat de la demande"),
            "asked": ("hash of what", "condensat du contenu"),
            "answer": ("the answer, without secrets", "la réponse, sans secret"),
            "at": AT,
        },
    ),
    "resellers": Kept(
        (
            "A reseller: what the public register shows, and whom to speak to",
            "Un revendeur : ce que montre le registre public, et à qui parler",
        ),
        _TEN_YEARS,
        {
            "reseller": ("random id", "identifiant aléatoire"),
            "name": _REGISTERED,
            "trade_name": ("as it trades", "nom commercial"),
            "country": ("country", "pays"),
            "registration": ("number in the register of companies", "numéro au registre"),
            "vat_number": ("for invoices", "pour les factures"),
            "address": _POSTAL,
            "street": _POSTAL,
            "postcode": _POSTAL,
            "city": _POSTAL,
            "website": ("website", "site internet"),
            "contact_name": ("whom to speak to; not public", "interlocuteur ; non public"),
            "contact_email": ("not public", "non public"),
            "contact_phone": ("not public", "non public"),
            "language": _LANGUAGE,
            "applied_at": ("when it applied", "date de candidature"),
            "ended_at": ("when it ended", "date de fin"),
            "accredited_from": ("first day of accreditation", "premier jour d'agrément"),
            "accredited_until": ("last day of accreditation", "dernier jour d'agrément"),
            "contract": ("reference of the contract", "référence du contrat"),
            "suspended_at": ("when it was suspended", "date de suspension"),
            "told": ("what the relay was told of it", "ce que le relais en sait"),
            "reason": ("why, for the reseller to read", "motif communiqué au revendeur"),
            "version": VERSION,
        },
    ),
    "plans": Kept(
        ("What is sold", "Ce qui est vendu"),
        _TEN_YEARS,
        {
            "plan": ("random id", "identifiant aléatoire"),
            "name": ("its name", "nom"),
            "months": ("length of a term", "durée d'une période"),
            "unit_net": ("price without VAT", "prix hors taxe"),
            "currency": _CURRENCY,
            "vat_rate": _VAT_RATE,
            "created_at": MADE_AT,
            "withdrawn_at": ("when it was taken off sale", "date de retrait"),
            "version": VERSION,
        },
    ),
    "batches": Kept(
        ("An order of activation codes", "Une commande de codes d'activation"),
        _TEN_YEARS,
        {
            "batch": ("random id", "identifiant aléatoire"),
            "reseller": _RESELLER,
            "organisation": THE_ORGANISATION,
            "plan": ("what was bought", "ce qui a été acheté"),
            "months": ("length of a term", "durée d'une période"),
            "unit_net": ("price without VAT", "prix hors taxe"),
            "currency": _CURRENCY,
            "vat_rate": _VAT_RATE,
            "quantity": ("how many", "quantité"),
            "ordered_at": ("when it was ordered", "date de commande"),
            "invoice": ("its invoice", "facture"),
            "made_at": ("when the codes were made", "date de création des codes"),
            "cancelled_at": ("when it was cancelled", "date d'annulation"),
            "version": VERSION,
        },
    ),
    "relay_batches": Kept(
        ("Which codes at the relay belong to an order", "Lien entre une commande et ses codes au relais"),
        _TEN_YEARS,
        {"relay_batch": ("number at the relay", "numéro au relais"), "batch": _BATCH, "at": AT},
    ),
    "bookings": Kept(
        ("A booking of the ledger", "Une écriture comptable"),
        _TEN_YEARS,
        {
            "booking": ("number", "numéro"),
            "at": AT,
            "kind": ("what kind", "nature"),
            "paper": ("its paper", "pièce"),
            "reseller": _RESELLER,
            "currency": _CURRENCY,
        },
    ),
    "postings": Kept(
        ("A line of a booking", "Une ligne d'écriture"),
        _TEN_YEARS,
        {
            "booking": ("which booking", "écriture concernée"),
            "position": ("its place", "place"),
            "account": ("account of the ledger", "compte comptable"),
            "amount": ("amount", "montant"),
        },
    ),
    "invoices": Kept(
        ("An invoice or credit note", "Une facture ou un avoir"),
        _TEN_YEARS,
        {
            "number": ("number, without holes", "numéro, sans trou"),
            "year": ("year", "année"),
            "sequence": ("place in the year", "rang dans l'année"),
            "kind": ("what kind", "nature"),
            "reseller": _RESELLER,
            "batch": _BATCH,
            "refers_to": ("the invoice it corrects", "facture corrigée"),
            "issued": ("date", "date"),
            "due": ("when it is due", "échéance"),
            "currency": _CURRENCY,
            "net": ("without VAT", "hors taxe"),
            "vat": ("VAT", "TVA"),
            "language": _LANGUAGE,
            "body": ("the whole invoice as it was issued", "la facture entière, telle qu'émise"),
        },
    ),
    "payments": Kept(
        ("A payment that was noted", "Un paiement noté"),
        _TEN_YEARS,
        {
            "payment": ("random id", "identifiant aléatoire"),
            "invoice": ("of which invoice", "facture concernée"),
            "reseller": _RESELLER,
            "amount": ("amount", "montant"),
            "currency": _CURRENCY,
            "received": ("day", "jour"),
            "reference": ("the bank's reference", "référence bancaire"),
            "at": AT,
        },
    ),
    "refunds": Kept(
        ("What was paid back", "Ce qui a été remboursé"),
        _TEN_YEARS,
        {
            "refund": ("random id", "identifiant aléatoire"),
            "credit_note": ("why", "motif"),
            "invoice": ("what had been paid", "ce qui avait été payé"),
            "reseller": _RESELLER,
            "amount": ("how much", "montant"),
            "currency": _CURRENCY,
            "paid": ("when it left", "date du remboursement"),
            "reference": ("the bank's, of a company", "celle de la banque, d'une société"),
            "at": AT,
        },
    ),
    "number_notes": Kept(
        (
            "Why an invoice number is missing, or bears a wrong day",
            "Pourquoi un numéro de facture manque, ou porte une fausse date",
        ),
        _TEN_YEARS,
        {
            "note": ("place in the row", "place dans la suite"),
            "at": AT,
            "kind": ("lost, misdated, or kept in a file from here on", "perdu, mal daté, ou suivi"),
            "year": ("of which year", "année concernée"),
            "first": ("the first number", "premier numéro"),
            "last": ("the last number", "dernier numéro"),
            "reason": ("as the operator gave it", "motif donné par l'opérateur"),
        },
    ),
    "rates": Kept(
        ("What other currencies are worth in euros", "Valeur des autres devises en euros"),
        WHILE_RUNNING,
        {
            "currency": _CURRENCY,
            "rate": ("the newest", "le plus récent"),
            "day": ("of which day", "jour du taux"),
            "version": VERSION,
        },
    ),
    "seller": Kept(
        ("The operator, as invoices name him", "L'opérateur, tel que le nomment les factures"),
        WHILE_RUNNING,
        {
            "seller": ("one row", "une seule ligne"),
            "name": _REGISTERED,
            "street": _POSTAL,
            "postcode": _POSTAL,
            "city": _POSTAL,
            "country": _POSTAL,
            "registration": ("number in the register", "numéro au registre"),
            "vat_number": ("for invoices", "pour les factures"),
            "email": ("where to write to", "adresse électronique"),
            "iban": ("where to pay", "où payer"),
            "version": VERSION,
        },
    ),
    "trading_terms": Kept(
        ("How a reseller is invoiced", "Conditions de facturation d'un revendeur"),
        _TEN_YEARS,
        {
            "reseller": _RESELLER,
            "treatment": ("VAT treatment", "régime de TVA"),
            "exemption": ("why no VAT", "motif d'exonération"),
            "payment_days": ("days to pay", "délai de paiement"),
            "version": VERSION,
        },
    ),
    "subscribers": Kept(
        (
            "The subscriber's record that the law asks of the operator (in France: CPCE, L34-1 and R10-13)",
            "La fiche d'abonné que la loi demande à l'opérateur (CPCE, L34-1 et R10-13)",
        ),
        (
            "five years after the end of the contract; of the account and the payment, one year",
            "cinq ans après la fin du contrat ; un an pour le compte et le paiement",
        ),
        {
            "subscriber": ("a random number", "un nombre aléatoire"),
            "kind": ("person or company", "personne ou société"),
            "company": _REGISTERED,
            "registration": ("number in the register", "numéro au registre"),
            "surname": _CIVIL,
            "given_name": _CIVIL,
            "born_on": _CIVIL,
            "born_at": _CIVIL,
            "street": _POSTAL,
            "postcode": _POSTAL,
            "city": _POSTAL,
            "country": _POSTAL,
            "email": ("how to reach the subscriber", "pour joindre l'abonné"),
            "phone": ("how to reach the subscriber", "pour joindre l'abonné"),
            "address": ("the line's address; one year", "adresse de la ligne ; un an"),
            "line": ("which line; one year", "ligne concernée ; un an"),
            "organisation": THE_ORGANISATION,
            "contract": ("the contract's reference; one year", "référence du contrat ; un an"),
            "payment": ("how it was paid; one year", "moyen de paiement ; un an"),
            "payment_reference": (
                "of the payment, never a card's or account's number; one year",
                "du paiement, jamais d'une carte ou d'un compte ; un an",
            ),
            "created_at": MADE_AT,
            "began_on": ("the contract's first day", "premier jour du contrat"),
            "ended_on": ("the contract's last day", "dernier jour du contrat"),
            "reduced_at": ("when the first year after it was over", "fin de la première année suivante"),
            "version": VERSION,
        },
    ),
    "alembic_version": Kept(
        ("Which schema the database has", "Version du schéma de la base"),
        WHILE_RUNNING,
        {"version_num": ("number", "numéro")},
    ),
}
