"""What `chappe desk` says, in English and in French."""

from __future__ import annotations

from typing import Final

DESK_WORDS: Final[dict[str, tuple[str, str]]] = {
    "desk.account.opened": (
        "{name} is {role} here now (id {id}).",
        "{name} a désormais ici le rôle {role} (identifiant {id}).",
    ),
    "desk.account.link": (
        "Open this link once within 24 hours, in the browser that is to have the passkey:",
        "Ouvrez ce lien une fois, dans les 24 heures, avec le navigateur qui aura la clé d'accès :",
    ),
    "desk.account.closed": ("The account of {name} is closed.", "Le compte de {name} est fermé."),
    "desk.overview.lines": (
        "Lines: {active} active, {grace} in grace, {suspended} suspended, {closed} closed, {none} without a "
        "term; {within_30_days} end within 30 days, {within_7_days} within 7",
        "Lignes : {active} en cours, {grace} en période de grâce, {suspended} suspendues, {closed} fermées, "
        "{none} sans terme ; {within_30_days} échoient sous 30 jours, {within_7_days} sous 7",
    ),
    "desk.overview.erasures": (
        "Devices to erase: {ordered} ordered, {unreadable} unreadable, {removed} out of their conversations, "
        "{erased} erased; {awaiting} orders wait for a second officer",
        "Appareils à effacer : {ordered} ordonnés, {unreadable} illisibles, {removed} retirés des "
        "conversations, {erased} effacés ; {awaiting} ordres attendent un second officier",
    ),
    "desk.overview.load": (
        "Relay: {sockets} sockets, {devices} devices, {mail} envelopes and {attachment_bytes} bytes of "
        "attachments wait",
        "Relais : {sockets} connexions, {devices} appareils, {mail} enveloppes et {attachment_bytes} octets "
        "de pièces jointes en attente",
    ),
    "desk.overview.unlocks": (
        "Shares: {devices} devices; {failing} typed a wrong PIN last, {worn_out} typed ten",
        "Parts : {devices} appareils ; {failing} sur un code faux, {worn_out} après dix codes faux",
    ),
    "desk.organisation": (
        "{name}: {lines} lines, {officers} officers (id {id})",
        "{name} : {lines} lignes, {officers} officiers (identifiant {id})",
    ),
    "desk.clock": ("The clock says {at}.", "L'horloge indique {at}."),
    "desk.clock.jump": (
        "The clock went forward by {days} days at once. Nothing is closed, forgotten or invoiced until it is "
        "put right, or you confirm it: chappe desk clock --confirm",
        "L'horloge a avancé de {days} jours d'un coup. Rien n'est fermé, oublié ni facturé tant qu'elle "
        "n'est pas remise à l'heure, ou confirmée : chappe desk clock --confirm",
    ),
    "desk.token.made": (
        "This is the token, shown once (id {id}, until {until}):",
        "Voici le jeton, montré une seule fois (identifiant {id}, jusqu'au {until}) :",
    ),
    "desk.token.revoked": ("The token {label} is revoked.", "Le jeton {label} est révoqué."),
    "desk.line": (
        "{address}: {stage}, paid until {last_day} (id {id})",
        "{address} : {stage}, payée jusqu'au {last_day} (identifiant {id})",
    ),
    "desk.stage.none": ("without a term", "sans terme"),
    "desk.stage.active": ("active", "en cours"),
    "desk.stage.grace": ("in grace", "en période de grâce"),
    "desk.stage.suspended": ("suspended", "suspendue"),
    "desk.stage.closed": ("closed", "fermée"),
    "desk.lines.latin": (
        "The file is in Latin-1: look at its accents.",
        "Le fichier est en Latin-1 : vérifiez ses accents.",
    ),
    "desk.lines.problem": ("row {row}, {column}: {message}", "ligne {row}, {column} : {message}"),
    "desk.lines.looked": (
        "Rows: {rows}, mistakes: {problems}. Nothing was made; --make makes them.",
        "Lignes : {rows}, erreurs : {problems}. Rien n'a été créé ; --make les crée.",
    ),
    "desk.reseller": ("{name}: {standing} (id {id})", "{name} : {standing} (identifiant {id})"),
    "desk.terms": ("{vat}; {days} days to pay", "{vat} ; {days} jours pour payer"),
    "desk.vat.standard": ("VAT is charged", "TVA facturée"),
    "desk.vat.reverse_charge": ("reverse charge: the buyer owes the VAT", "autoliquidation de la TVA"),
    "desk.vat.exempt": ("no VAT: {why}", "sans TVA : {why}"),
    "desk.signed_out": ("signed out {at}", "déconnecté le {at}"),
    "desk.subscriber": (
        "{id}  since {began}, goes on",
        "{id}  depuis le {began}, en cours",
    ),
    "desk.subscriber.ended": (
        "{id}  {began} to {ended}; account until {account}, identity until {identity}",
        "{id}  du {began} au {ended} ; compte jusqu'au {account}, identité jusqu'au {identity}",
    ),
    "desk.subscriber.exported": ("{count} records in {file}.", "{count} fiches dans {file}."),
    "desk.standing.applied": ("has applied", "a candidaté"),
    "desk.standing.coming": ("accredited from {first}", "agréé à partir du {first}"),
    "desk.standing.accredited": ("accredited until {last}", "agréé jusqu'au {last}"),
    "desk.standing.suspended": ("suspended: {reason}", "suspendu : {reason}"),
    "desk.standing.expired": ("accreditation over since {last}", "agrément échu depuis le {last}"),
    "desk.standing.ended": ("ended: {reason}", "terminé : {reason}"),
    "desk.plan": (
        "{name}: {months} months, {price} (id {id})",
        "{name} : {months} mois, {price} (identifiant {id})",
    ),
    "desk.plan.withdrawn": (
        "{name}: {months} months, {price}, sold no more (id {id})",
        "{name} : {months} mois, {price}, retirée de la vente (identifiant {id})",
    ),
    "desk.seller": ("{name} sells (version {version}).", "{name} est le vendeur (version {version})."),
    "desk.order.made": (
        "Order {reference}: {quantity} codes of {months} months, invoice {invoice} (id {id})",
        "Commande {reference} : {quantity} codes de {months} mois, facture {invoice} (identifiant {id})",
    ),
    "desk.order.unmade": (
        "Order {reference}: {quantity} codes of {months} months, invoice {invoice}; its codes did not come: "
        "make them anew (id {id})",
        "Commande {reference} : {quantity} codes de {months} mois, facture {invoice} ; les codes ne sont pas "
        "arrivés : recréez-les (identifiant {id})",
    ),
    "desk.order.cancelled": (
        "Order {reference}: {quantity} codes of {months} months, invoice {invoice}; unused codes were taken "
        "back (id {id})",
        "Commande {reference} : {quantity} codes de {months} mois, facture {invoice} ; les codes non "
        "utilisés ont été repris (identifiant {id})",
    ),
    "desk.codes": (
        "{used} used, {open} open, {expired} expired, {voided} taken back",
        "{used} utilisés, {open} libres, {expired} expirés, {voided} repris",
    ),
    "desk.codes.once": (
        "These are the codes, shown this once:",
        "Voici les codes, montrés cette seule fois :",
    ),
    "desk.invoice": (
        "Invoice {number} to {buyer}: {gross}, of which {owed} are owed",
        "Facture {number} à {buyer} : {gross}, dont {owed} restent dus",
    ),
    "desk.credit_note": ("Credit note {number} to {buyer}: {gross}", "Avoir {number} à {buyer} : {gross}"),
    "desk.paid": ("{amount} noted for invoice {number}.", "{amount} enregistrés pour la facture {number}."),
    "desk.refunded": (
        "{amount} noted as paid back for credit note {number}.",
        "{amount} enregistrés comme remboursés pour l'avoir {number}.",
    ),
    "desk.saved": ("Saved as {file}.", "Enregistré dans {file}."),
    "desk.ledger": (
        "{bookings} bookings add up; none of {invoices} invoice numbers is missing.",
        "{bookings} écritures équilibrées ; aucun des {invoices} numéros de facture ne manque.",
    ),
    "desk.booking.sale": ("sale", "vente"),
    "desk.booking.credit": ("credit", "avoir"),
    "desk.booking.payment": ("payment", "paiement"),
    "desk.booking.refund": ("refund", "remboursement"),
    "desk.numbers": (
        "Newest invoice numbers: {newest} here, {kept} in the file",
        "Derniers numéros de facture : {newest} ici, {kept} dans le fichier",
    ),
    "desk.numbers.lost": ("{first} to {last} are lost: {reason}", "{first} à {last} perdus : {reason}"),
    "desk.numbers.misdated": (
        "{first} to {last} bear a day to come: {reason}",
        "{first} à {last} postdatés : {reason}",
    ),
    "desk.log.head": ("{size} entries, root {root}", "{size} entrées, racine {root}"),
    "desk.log.verified": (
        "The audit log is whole: {size} entries, root {root}",
        "Le journal d'audit est intact : {size} entrées, racine {root}",
    ),
    "desk.log.keep": (
        "Keep this line elsewhere: with it, `chappe desk log verify` finds a log that was made anew.",
        "Gardez cette ligne ailleurs : avec elle, `chappe desk log verify` trouve un journal refait.",
    ),
    "desk.log.exported": ("The audit log is in {file}.", "Le journal d'audit est dans {file}."),
    "desk.by.console": ("command line", "ligne de commande"),
    "desk.by.system": ("the desk", "le guichet"),
    "desk.by.public": ("not signed in", "sans connexion"),
}
