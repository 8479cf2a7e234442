"""Everything that the audit log tells of, with its words in English and French. What is not here is not
logged, and so not done: a room that changes something adds its lines."""

from __future__ import annotations

from typing import Final

HAPPENINGS: Final[dict[str, tuple[str, str]]] = {
    # Accounts and how they sign in.
    "account.opened": ("Account opened", "Compte ouvert"),
    "account.changed": ("Account changed", "Compte modifié"),
    "account.closed": ("Account closed", "Compte fermé"),
    "account.link_made": ("Sign-in link made", "Lien de connexion créé"),
    "account.signed_in": ("Signed in", "Connexion"),
    "account.signed_out": ("Signed out", "Déconnexion"),
    "passkey.made": ("Passkey added", "Clé d'accès ajoutée"),
    "passkey.removed": ("Passkey removed", "Clé d'accès retirée"),
    "passkey.doubted": (
        "Passkey refused: its counter went back, it may be a copy",
        "Clé d'accès refusée : son compteur a reculé, c'est peut-être une copie",
    ),
    "recovery.renewed": ("Recovery codes made anew", "Codes de secours renouvelés"),
    "recovery.used": ("Recovery code used", "Code de secours utilisé"),
    "token.made": ("API token made", "Jeton d'API créé"),
    "token.revoked": ("API token revoked", "Jeton d'API révoqué"),
    # Resellers.
    "reseller.applied": ("Reseller applied", "Candidature d'un revendeur"),
    "reseller.changed": ("Reseller's particulars changed", "Coordonnées du revendeur modifiées"),
    "reseller.accredited": ("Reseller accredited", "Revendeur agréé"),
    "reseller.suspended": ("Reseller suspended", "Revendeur suspendu"),
    "reseller.resumed": ("Reseller's suspension lifted", "Suspension du revendeur levée"),
    "reseller.ended": ("Reseller turned down or ended", "Revendeur refusé ou radié"),
    # What is sold.
    "seller.set": ("Seller on invoices set", "Vendeur des factures renseigné"),
    "trading.changed": ("Reseller's invoicing changed", "Facturation du revendeur modifiée"),
    "plan.made": ("Plan on sale", "Offre mise en vente"),
    "plan.withdrawn": ("Plan withdrawn", "Offre retirée de la vente"),
    "batch.ordered": ("Codes ordered", "Codes commandés"),
    "batch.asked": ("Relay asked for codes", "Codes demandés au relais"),
    "batch.made": ("Codes made", "Codes créés"),
    "batch.reclaimed": (
        "Unused codes are being taken back",
        "Reprise des codes non utilisés commencée",
    ),
    "batch.cancelled": ("Unused codes taken back", "Codes non utilisés repris"),
    "invoice.issued": ("Invoice issued", "Facture émise"),
    "invoice.credited": ("Credit note issued", "Avoir émis"),
    "ledger.exported": ("Ledger exported", "Grand livre exporté"),
    "payment.noted": ("Payment noted", "Paiement enregistré"),
    "payment.refunded": ("Refund noted", "Remboursement enregistré"),
    "numbers.lost": ("Invoice numbers noted as lost", "Numéros de facture déclarés perdus"),
    "numbers.misdated": (
        "Invoices noted as dated ahead of their day",
        "Factures déclarées postdatées",
    ),
    "rate.set": ("Rate of a currency set", "Taux d'une devise renseigné"),
    # The dossier.
    "dossier.disclosed": (
        "What is held on a line was disclosed",
        "Communication de ce qui est détenu sur une ligne",
    ),
    # Lines and their subscribers.
    "line.renewing": ("Line is being renewed", "Renouvellement d'une ligne commencé"),
    "line.renewed": ("Line renewed", "Ligne renouvelée"),
    "lines.imported": ("Lines imported", "Lignes importées"),
    "lines.exported": ("List of lines exported", "Liste des lignes exportée"),
    "subscriber.filed": ("Subscriber's record filed", "Fiche d'abonné créée"),
    "subscriber.changed": ("Subscriber's record changed", "Fiche d'abonné modifiée"),
    "subscriber.read": ("Subscriber's record read", "Fiche d'abonné consultée"),
    "subscriber.linked": ("Subscriber's record given its line", "Fiche d'abonné reliée à sa ligne"),
    "subscriber.ended": ("Subscriber's contract ended", "Contrat d'un abonné terminé"),
    "subscriber.reduced": (
        "Subscriber's record reduced: one year after the end",
        "Fiche d'abonné réduite : un an après la fin",
    ),
    "subscriber.forgotten": (
        "Subscriber's record deleted: five years after the end",
        "Fiche d'abonné supprimée : cinq ans après la fin",
    ),
    # The clock.
    "clock.confirmed": ("Clock confirmed after a jump", "Horloge confirmée après un saut"),
    # The log itself.
    "log.exported": ("Audit log exported", "Journal d'audit exporté"),
}
