/** Officers: who they are, appointing and removing one. */
export const officers = {
  "officer.title": ["Officers", "Responsables"],
  "officer.how": [
    "Who may order in the organisation's name. Where there are two or more, two sign each change.",
    "Qui peut ordonner au nom de l'organisation. Dès qu'ils sont deux, deux signent chaque changement.",
  ],
  "officer.me": ["You", "Vous"],
  "officer.appoint": ["Appoint an officer", "Nommer un responsable"],
  "officer.appoint.do": ["Sign the appointment", "Signer la nomination"],
  "officer.appoint.how": [
    "The newcomer makes a request here, or with “chappe fleet officer request”, and sends you its file.",
    "Le nouveau responsable fait une demande ici, ou avec « chappe fleet officer request », et vous en envoie le fichier.",
  ],
  "officer.request": ["The request's file", "Le fichier de la demande"],
  "officer.request.how": [
    "It is not secret. Compare the digits that show then: the file could have been swapped on its way.",
    "Il n'est pas secret. Comparez les chiffres affichés ensuite : il a pu être échangé en route.",
  ],
  "officer.digits": [
    "Call {name}, and have these digits read to you:",
    "Appelez {name} et faites-vous lire ces chiffres :",
  ],
  "officer.compared": ["They are the same", "Ce sont les mêmes"],
  "officer.sign": ["Sign a draft", "Signer un projet"],
  "officer.sign.how": [
    "Another officer began a change of the officers, and sent you its file. With your signature it counts.",
    "Un autre responsable a commencé un changement et vous en a envoyé le fichier. Avec votre signature, il compte.",
  ],
  "officer.sign.do": ["Sign the change", "Signer le changement"],
  "officer.draft": ["The draft's file", "Le fichier du projet"],
  "officer.adds": ["Becomes an officer: {names}", "Devient responsable : {names}"],
  "officer.removes": ["Is an officer no more: {names}", "N'est plus responsable : {names}"],
  "officer.remove": ["Remove", "Retirer"],
  "officer.remove.of": ["Remove {name} as an officer", "Retirer {name} des responsables"],
  "officer.remove.how": [
    "They order nothing any more from then on. What they ordered before stays. They keep the fleet key, which alone orders nothing.",
    "Cette personne n'ordonne plus rien. Ce qu'elle a ordonné demeure. Elle garde la clé de flotte, qui seule n'ordonne rien.",
  ],
  "officer.made.answer": [
    "{name} is an officer. Save the answer and send it to them: it opens with their file alone.",
    "{name} est responsable. Enregistrez la réponse et envoyez-la : elle ne s'ouvre qu'avec son fichier.",
  ],
  "officer.made.draft": [
    "You signed, and another officer has to sign as well: nothing has changed yet. Save the draft and send it to one of them. ({name})",
    "Vous avez signé, et un autre responsable doit signer aussi : rien n'a encore changé. Enregistrez le projet et envoyez-le à l'un d'eux. ({name})",
  ],
  "officer.made.done": ["The change holds. ({name})", "Le changement est fait. ({name})"],
  "officer.new": ["Not an officer yet?", "Pas encore responsable ?"],
  "officer.new.how": [
    "Make a file of your own and a request, hand the request to an officer, and take the answer that comes back.",
    "Créez votre fichier et une demande, remettez la demande à un responsable, puis prenez la réponse reçue.",
  ],
  "officer.ask": ["Make a request", "Faire une demande"],
  "officer.ask.do": ["Make file and request", "Créer fichier et demande"],
  "officer.ask.how": [
    "It makes two files: your officer's file, which stays with you, and the request, which you send to an officer.",
    "Ceci crée deux fichiers : votre fichier de responsable, qui reste chez vous, et la demande, à envoyer à un responsable.",
  ],
  "officer.name": [
    "Your name, as the others know you",
    "Votre nom, tel que les autres vous connaissent",
  ],
  "officer.passphrase.how": [
    "Twelve characters or more. Nobody can give it back to you.",
    "Douze caractères ou plus. Personne ne peut vous la rendre.",
  ],
  "officer.passphrase.again": ["Once more", "Encore une fois"],
  "officer.passphrase.differs": ["The two are not the same.", "Les deux ne sont pas identiques."],
  "officer.new.made": [
    "Save both files, and send the request to an officer. When they call, read these digits to them:",
    "Enregistrez les deux fichiers, et envoyez la demande à un responsable. Quand il vous appelle, lisez-lui ces chiffres :",
  ],
  "officer.accept": ["Take the answer", "Prendre la réponse"],
  "officer.accept.do": ["Take the answer", "Prendre la réponse"],
  "officer.accept.how": [
    "Your file is made anew with what the answer brings: save it, and open it above.",
    "Votre fichier est refait avec ce qu'apporte la réponse : enregistrez-le, et ouvrez-le ci-dessus.",
  ],
  "officer.own": ["Your officer's file", "Votre fichier de responsable"],
  "officer.answer": ["The answer's file", "Le fichier de la réponse"],
  "officer.new.ready": [
    "You are an officer. Save your file in place of the one before, and open it above.",
    "Vous êtes responsable. Enregistrez votre fichier à la place de l'ancien, et ouvrez-le ci-dessus.",
  ],
  "officer.save.own": ["Save your file", "Enregistrer votre fichier"],
  "officer.save.request": ["Save the request", "Enregistrer la demande"],
  "officer.save.answer": ["Save the answer", "Enregistrer la réponse"],
  "officer.save.draft": ["Save the draft", "Enregistrer le projet"],
} as const;
