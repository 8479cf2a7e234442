/** The organisation's audit log, as its officers read it (docs/protocol.md section 12.6). */
export const audit = {
  "audit.title": ["Audit log of the organisation", "Journal d'audit de l'organisation"],
  "audit.how": [
    "What happened to your lines, from the first day. This page hashes every entry anew before it shows one: an entry that was changed, taken out or put in would show.",
    "Ce qui est arrivé à vos lignes, depuis le premier jour. Cette page recalcule chaque entrée avant d'en montrer une seule : une entrée modifiée, retirée ou ajoutée se verrait.",
  ],
  "audit.good": [
    "The log holds: {size} entries. Write this head down now and then; given to Verify later, it shows whether history was rewritten.",
    "Le journal est intact : {size} entrées. Notez cette empreinte de temps en temps ; redonnée plus tard à « Vérifier », elle montre si l'histoire a été réécrite.",
  ],
  "audit.verify.how": [
    "The log is fetched anew and replayed. With a head that you wrote down earlier, it is also held against that.",
    "Le journal est relu et recalculé. Avec une empreinte notée plus tôt, il lui est aussi comparé.",
  ],
  "audit.find": ["Line, officer or reason", "Ligne, responsable ou motif"],
  "audit.by": ["By {names}", "Par {names}"],
  "audit.device": ["device {id}", "appareil {id}"],
  "audit.kind.order": ["Orders", "Ordres"],
  "audit.kind.share": ["Phones made unreadable", "Téléphones rendus illisibles"],
  "audit.kind.receipt": ["Receipts of phones", "Reçus des téléphones"],
  "audit.kind.roster": ["Officers", "Responsables"],
  "audit.kind.line": ["Lines", "Lignes"],
  "audit.order.given": ["An order was given", "Un ordre a été donné"],
  "audit.order.awaits": [
    "An order waits for a second officer",
    "Un ordre attend un second responsable",
  ],
  "audit.order.approved": [
    "A second officer signed an order",
    "Un second responsable a signé un ordre",
  ],
  "audit.order.lapsed": [
    "An order lapsed: nobody signed second",
    "Un ordre est tombé : personne n'a signé en second",
  ],
  "audit.share.destroyed": [
    "A phone became unreadable: its share was destroyed",
    "Un téléphone est devenu illisible : sa part a été détruite",
  ],
  "audit.receipt.taken": [
    "A phone answered that it carried the order out",
    "Un téléphone a répondu qu'il avait exécuté l'ordre",
  ],
  "audit.roster.amended": ["The list of officers changed", "La liste des responsables a changé"],
  "audit.line.activated": ["A line was activated", "Une ligne a été activée"],
  "audit.line.held": [
    "A line came under legal hold",
    "Une ligne est passée sous conservation légale",
  ],
  "audit.line.released": ["A legal hold ended", "Une conservation légale a pris fin"],
  "audit.line.renewed": ["A line was renewed", "Une ligne a été renouvelée"],
  "audit.line.lapsed": [
    "A line was closed at the end of its term",
    "Une ligne a été fermée à son échéance",
  ],
  "audit.line.forgotten": ["The relay forgot a line", "Le relais a oublié une ligne"],
  "audit.line.phone_awaits": [
    "An officer asked to let a new phone into a line; a second has to approve it",
    "Un responsable demande l'entrée d'un nouveau téléphone dans une ligne ; un second doit l'approuver",
  ],
  "audit.line.phone_announced": [
    "Two officers announced a new phone of a line: it comes after a day",
    "Deux responsables ont annoncé un nouveau téléphone d'une ligne : il entre après un jour",
  ],
  "audit.line.phone_entered": [
    "The new phone came, and the line has its identity key",
    "Le nouveau téléphone est entré, et la ligne a sa clé d'identité",
  ],
  "audit.line.phone_withdrawn": [
    "A new phone was taken back before it came",
    "Un nouveau téléphone a été retiré avant son entrée",
  ],
  "audit.outcome.erased": ["erased", "effacé"],
  "audit.outcome.revoked": ["signed out", "déconnecté"],
  "audit.outcome.locked": ["locked", "verrouillé"],
  "audit.outcome.policy": ["policy taken", "règles reçues"],
  "audit.outcome.code": ["by a code", "par un code"],
  "audit.outcome.officer": ["by an officer", "par un responsable"],
  "audit.outcome.operator": ["by the operator", "par l'opérateur"],
} as const;
