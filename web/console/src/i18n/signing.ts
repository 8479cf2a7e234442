export const signing = {
  "signin.title": ["Sign in", "Connexion"],
  "signin.lead": [
    "The console of this relay, for its operators, resellers, officers and auditors.",
    "La console de ce relais, pour ses opérateurs, revendeurs, responsables et auditeurs.",
  ],
  "signin.passkey": ["Sign in with a passkey", "Se connecter avec une clé d'accès"],
  "signin.recovery": ["Use a recovery code", "Utiliser un code de secours"],
  "signin.recovery.how": [
    "Each of your ten codes works once. You then make a new passkey.",
    "Chacun de vos dix codes sert une fois. Vous créez ensuite une nouvelle clé d'accès.",
  ],
  "signin.recovery.label": ["Recovery code", "Code de secours"],
  "signin.first": [
    "First time here? Open the sign-in link that an operator gave you.",
    "Première visite ? Ouvrez le lien de connexion qu'un opérateur vous a remis.",
  ],
  "signin.cancelled": [
    "No passkey was used. Try again when you are ready.",
    "Aucune clé d'accès n'a été utilisée. Réessayez quand vous voulez.",
  ],
  "signin.unsupported": [
    "This browser has no passkeys. Use a current Firefox, Chrome, Edge or Safari.",
    "Ce navigateur ne connaît pas les clés d'accès. Utilisez un Firefox, Chrome, Edge ou Safari récent.",
  ],
  "signin.ended.idle": [
    "Your session ended: 30 minutes went by without use. What was on the page was cleared.",
    "Votre session est terminée : 30 minutes sans utilisation. La page a été vidée.",
  ],
  "signin.ended.over": [
    "Your session ended on the relay. Sign in again to go on.",
    "Votre session est terminée côté relais. Reconnectez-vous pour continuer.",
  ],
  "signin.ended.out": ["You have signed out.", "Vous êtes déconnecté."],
  "signin.again.title": ["Confirm that it is you", "Confirmez que c'est vous"],
  "signin.again.how": [
    "This takes a sign-in of the last 15 minutes. Use your passkey once more, and it is done.",
    "Ceci demande une connexion de moins de 15 minutes. Utilisez encore une fois votre clé d'accès, et c'est fait.",
  ],
  "enrol.title": ["Make your passkey", "Créez votre clé d'accès"],
  "enrol.hello": ["Welcome, {name}.", "Bienvenue, {name}."],
  "enrol.how": [
    "A passkey takes the place of a password. It stays on your device or security key, and opens this console with your fingerprint, face or device PIN.",
    "Une clé d'accès remplace le mot de passe. Elle reste sur votre appareil ou votre clé de sécurité, et ouvre cette console avec votre empreinte, votre visage ou le code de l'appareil.",
  ],
  "enrol.label": ["A name for it", "Un nom pour elle"],
  "enrol.label.how": [
    "So that you can tell it from others: “Work laptop”.",
    "Pour la distinguer des autres : « Portable du bureau ».",
  ],
  "enrol.label.first": ["My device", "Mon appareil"],
  "enrol.make": ["Make a passkey", "Créer une clé d'accès"],
  "codes.title": ["Keep your recovery codes", "Conservez vos codes de secours"],
  "codes.how": [
    "If you lose your passkey, one of these codes lets you make a new one. Each works once. They are shown now and never again: print them, or write them down, and keep them where only you get to them.",
    "Si vous perdez votre clé d'accès, un de ces codes permet d'en créer une nouvelle. Chacun sert une fois. Ils sont affichés maintenant et plus jamais : imprimez-les, ou notez-les, et gardez-les là où vous seul y avez accès.",
  ],
  "codes.kept": ["I have kept them", "Je les ai conservés"],
} as const;
