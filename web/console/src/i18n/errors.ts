/** By the stable codes of src/chappe/wire/errors.py. What stands not here is told in the server's own English. */
export const errors = {
  "error.network": [
    "The relay does not answer. Check the connection, then try again.",
    "Le relais ne répond pas. Vérifiez la connexion, puis réessayez.",
  ],
  "error.desk.malformed": [
    "A field does not fit; correct it and send again.",
    "Un champ ne convient pas ; corrigez-le et renvoyez.",
  ],
  "error.desk.unknown": [
    "Nothing here has this id, or it is not yours to see.",
    "Rien ici ne porte cet identifiant, ou ce n'est pas à vous de le voir.",
  ],
  "error.desk.changed": [
    "Somebody changed this meanwhile. It is shown as it is now: look again, then decide.",
    "Quelqu'un a modifié ceci entre-temps. Voici l'état actuel : relisez, puis décidez.",
  ],
  "error.desk.exists": [
    "There is one of these already; see the list.",
    "Il en existe déjà un ; voyez la liste.",
  ],
  "error.desk.not_now": [
    "This cannot be done as things stand; nothing was changed.",
    "C'est impossible dans l'état actuel ; rien n'a été modifié.",
  ],
  "error.desk.forbidden": [
    "Your account may not do that.",
    "Votre compte n'a pas le droit de faire cela.",
  ],
  "error.desk.signed_out": [
    "Your session is over. Sign in again.",
    "Votre session est terminée. Reconnectez-vous.",
  ],
  "error.desk.sign_in_again": [
    "This takes a fresh sign-in.",
    "Ceci demande une connexion récente.",
  ],
  "error.desk.cross_site": [
    "The relay did not take this for its own page. Load the page anew, at the address that the relay gives.",
    "Le relais n'a pas reconnu sa propre page. Rechargez-la, à l'adresse que donne le relais.",
  ],
  "error.desk.passkey": [
    "The passkey was not accepted; try again, or use another one.",
    "La clé d'accès n'a pas été acceptée ; réessayez, ou utilisez-en une autre.",
  ],
  "error.desk.bad_code": [
    "This code or link is not valid, was used before, or is too old. Ask an operator for a fresh link.",
    "Ce code ou ce lien n'est pas valable, a déjà servi ou est trop ancien. Demandez un nouveau lien à un opérateur.",
  ],
  "error.code.malformed": [
    "That is not a code; look for a typing mistake.",
    "Ce n'est pas un code ; cherchez une faute de frappe.",
  ],
  "error.limit.rate": [
    "Too many requests; wait a little, then try again.",
    "Trop de demandes ; patientez un peu, puis réessayez.",
  ],
  "error.audit.rewritten": [
    "The audit log does not hold, or is not the one whose head was kept: its history was rewritten.",
    "Le journal d'audit ne tient pas, ou n'est pas celui dont l'empreinte a été conservée : son histoire a été réécrite.",
  ],
  "error.storage.failed": [
    "The relay could not read or write its data. Tell the operator.",
    "Le relais n'a pas pu lire ou écrire ses données. Prévenez l'opérateur.",
  ],
  "error.network.unreachable": [
    "The relay does not answer. Check the connection, then try again.",
    "Le relais ne répond pas. Vérifiez la connexion, puis réessayez.",
  ],
  "error.fleet.wrong_passphrase": [
    "That is not the passphrase of this file.",
    "Ce n'est pas la phrase secrète de ce fichier.",
  ],
  "error.organisation.unknown": [
    "This file is not of an appointed officer of your organisation.",
    "Ce fichier n'est pas celui d'un responsable nommé de votre organisation.",
  ],
  "error.order.two_officers": [
    "This takes two officers, and your organisation has one. Appoint a second first.",
    "Il faut deux responsables, et votre organisation n'en a qu'un. Nommez-en d'abord un second.",
  ],
  "error.roster.invalid": [
    "The relay shows another list of officers than your file knows, or you are no longer on it. Give no order; ask the other officers.",
    "Le relais montre une autre liste de responsables que celle de votre fichier, ou vous n'y êtes plus. Ne donnez aucun ordre ; demandez aux autres responsables.",
  ],
  "error.identity.changed": [
    "The relay shows a line with another address or key than before. Give no order; ask the operator.",
    "Le relais montre une ligne avec une autre adresse ou clé qu'auparavant. Ne donnez aucun ordre ; demandez à l'opérateur.",
  ],
  "error.certificate.invalid": [
    "The relay says something else of a line than its certificate. Give no order; ask the operator.",
    "Le relais dit d'une ligne autre chose que son certificat. Ne donnez aucun ordre ; demandez à l'opérateur.",
  ],
  "error.file.unreadable": [
    "That file is not what was asked for, or does not fit the officers as they are now. Look at its name, or have it made anew.",
    "Ce fichier n'est pas celui demandé, ou ne correspond pas aux responsables actuels. Regardez son nom, ou faites-le refaire.",
  ],
  "error.fleet.exists": ["That officer is appointed already.", "Ce responsable est déjà nommé."],
  "error.vault.weak_pin": [
    "That is too easy to guess. Take twelve characters or more, that are no name, date or row of keys.",
    "C'est trop facile à deviner. Prenez douze caractères ou plus, qui ne soient ni un nom, ni une date, ni une suite de touches.",
  ],
  "error.http.malformed": [
    "That cannot be read: look for a mistake in what you typed. If you typed nothing, tell the operator.",
    "C'est illisible : cherchez une faute dans ce que vous avez saisi. Si vous n'avez rien saisi, prévenez l'opérateur.",
  ],
  "error.order.forged": [
    "The relay shows an order whose signatures do not hold.",
    "Le relais montre un ordre dont les signatures ne sont pas valables.",
  ],
  "error.order.stale": [
    "This computer's clock is wrong: an order bears its time. Set the clock and try again.",
    "L'horloge de cet ordinateur est fausse : un ordre porte son heure. Réglez-la et réessayez.",
  ],
} as const;
