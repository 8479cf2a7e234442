"""The three reference outputs of a declaration, computed by the code that runs.

1. a message's encryption, with the inputs of a published vector (McGrew and Viega, GCM, test case 16);
2. what is sealed to an X-Wing key made from the seed of the X-Wing draft's first vector: sealing is
   random, so one sealed text is kept here, and opened;
3. a PIN, `r` and a share to the vault's key: one wrapped key is kept here, and opened.
"""

from __future__ import annotations

from typing import Final

from chappe.desk.dossier.references import Reference

_KEY: Final = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
_NONCE: Final = bytes.fromhex("cafebabefacedbaddecaf888")
_PLAIN: Final = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
_AAD: Final = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
_SEED: Final = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
_KEM_BYTES: Final = 1120
_LABEL: Final = "chappe reference v1"
_SEALED: Final = bytes.fromhex(
    "1e5f5706ed4ef8f31daf72200734dc37266a49de56a29420d4973a89e5310ed1d3c62f15ad6c0d5f3ae79743eb28258b"
    "22611393455e4e776fbbc00bb9fb1f955c9859c1b831fae3a1eb78d866f8f3ec5925bcb1234587a6faddc130ee14b99f"
    "26fe94a228d1c0dd06dc037c39344d89a147ef0579d43f4fac5e18ac975ef92c31e51a006a8fa25f1874c54c5d338815"
    "482bb82f3575bdc40791134dfde1a604b2dd6c7828850581a528a3b647860ec1bfd759e32040c8736d776a10345895a0"
    "375392b74282485c0d3a3f99b9b6be1950a66c646010d45689fad40594827cb1d34b02f0f622f111afd3cab203f0f7b4"
    "2a0f22bde28033b7ec5b665f154d37f1d6949006e4c6ca511e2e1ea96b9070420824b9e293466ff15f22c2525dd5fbe7"
    "d3708c03750645d59a9ea39d9b0bbe3e40c766dddda3f8b137102f55dfd8044df56e46ada7d9ab1343e2fdfd7b823c14"
    "cb19965a03c7819dcd1c53dd3ab30d6bd1a10c02b0170108c01de294a62a26db20cd016d1881ec3fbf45f014a36e3f3d"
    "c2b0b860ba9d066c6dd5a556477db3aa614db793cca30726b7401f674ab51b659f2c9b167ea8e28e873e6848258c9d86"
    "a2d3cefa406cba72be967529c3e8977a9b22d7284449aa6c6347ed074386106cdab530998b02d42e212027a84a766a14"
    "bde0b009ee6e521b1a33b7e42744a34a3e569eab8328fc9d35e03dc3414983efd33d777aac2b5113815b2da815012aab"
    "ea681a8052c8c9f92d61958eac5e9dd73a488ae584eaa85890714e2edbc48524c135be29e548a7c94a9d976a69d686c0"
    "06ff16767b18844958d2f228428b27f10f592708b2596c715077241993d4c970e2a7df89e8de8f61a6bfc8bb822dbe70"
    "13df1b5582967e5cc09e88b05e99cd845d81e658c83f2391fae99b17e9f8ce96b507c41eee0b4611122099be6d3b7126"
    "a56b2c9adbe3f513ffed4a56127496ae7e209fff2e89f53b9a9b201f1879af36d97f290a2c11e8a84792862db973deb9"
    "f798208322a6a87713f75859bebfabce19503cdab001f68359ba943d37d067c1b36d703ef474b5b0780d79aee57bb2e1"
    "8c0df27b94ee06505d6ee765a8ceb804e474b90064465906299e1c5f9bcc178c16763cc0208491ee80fcb57dee139e8e"
    "dfb315c2a0c9f26431b35370769cd3984da0b327bcd6927ae1351e357f9ce7df1e09508f3b8e44cc747f48b6edcd3bce"
    "fdceff78e727da5ebd7c47520ce1d209a91e6c69f3e9b383d75a317473acf46c12263275edf15599e240f6fe74b75fdf"
    "3c79c5792a0866fa39b9bf0e71d7d7842c2cd1b3a7e736e2fa7fa9238d144d7016a2da0b802d6abcb0cc89f0f704ac63"
    "a47fc6f57acb24dd5875b104253fd8772c829024fdaf909298548293f787c639b8e1c0608c010bbb18d3226c83859e0b"
    "b48a003c0be15e3fd4c6a5f8bb49294f9f6582935287e59046d86404bc3cf6f6677c8ff937456ce3f64f31ca9cf00096"
    "53963f13326d62fe09356301de87b48981338211558512e0f5b10d8820448148b7d9afd53e76bf542ed34dc540c47d22"
    "8c3ed3596531a59fdc07495f5af4ea1e980505d01293a9e5a42777bbc6e5f68686b0d167859d1ef85a00c975fc2cb5ec"
    "7a38c4b81c7c73f986b30adbec0d"
)
_PIN: Final = "480297"
_R: Final = bytes(range(32))
_SHARE: Final = bytes(range(32, 64))
_WRAPPED: Final = bytes.fromhex(
    "cafebabefacedbaddecaf888b3cc4457b3f3f18da18d734f7c399a1e4aceb0ce8b212b8209517dd830abab2f7c9088fe"
    "182eca9f637ae5294be9a549"
)


def reference_outputs() -> list[Reference]:
    """Takes half a second and 64 MiB, for Argon2id."""
    return [_message(), _sealed(), _vault()]


def _message() -> Reference:
    from chappe.mls.suites import XWING_AES256, cipher_suite

    suite = cipher_suite(XWING_AES256)
    sealed = suite.seal(_KEY, _NONCE, _AAD, _PLAIN)
    assert suite.open(_KEY, _NONCE, _AAD, sealed) == _PLAIN
    return Reference(
        id="message",
        title=("Encryption of a message: AES-256-GCM", "Chiffrement d'un message : AES-256-GCM"),
        text=(
            "The inputs are those of test case 16 of the GCM specification (McGrew and Viega), so "
            "the outputs "
            "are published too.",
            "Les entrées sont celles du cas d'essai 16 de la spécification de GCM (McGrew et Viega) : les "
            "sorties attendues sont donc publiées.",
        ),
        code="chappe.mls.suites.CipherSuite.seal (0xF00D)",
        inputs=[
            ("Plaintext", "Texte clair", _PLAIN.hex()),
            ("Key (256 bits)", "Clé (256 bits)", _KEY.hex()),
            ("Nonce (96 bits)", "Nonce (96 bits)", _NONCE.hex()),
            ("Associated data", "Données associées", _AAD.hex()),
        ],
        outputs=[
            ("Ciphertext", "Texte chiffré", sealed[:-16].hex()),
            ("Tag (128 bits)", "Étiquette (128 bits)", sealed[-16:].hex()),
        ],
    )


def _sealed() -> Reference:
    from chappe.mls.suites import XWING_AES256, HPKECiphertext, cipher_suite

    suite = cipher_suite(XWING_AES256)
    sealed = HPKECiphertext(_SEALED[:_KEM_BYTES], _SEALED[_KEM_BYTES:])
    opened = suite.decrypt_with_label(_SEED, _LABEL, b"", sealed)
    return Reference(
        id="sealed",
        title=(
            "Sealing to a public key: HPKE with X-Wing, HKDF-SHA-512, AES-256-GCM",
            "Scellement à une clé publique : HPKE avec X-Wing, HKDF-SHA-512, AES-256-GCM",
        ),
        text=(
            "The key is made from the seed of the first vector of the X-Wing draft. Sealing is random: this "
            "text was sealed once, and is opened here. It is the KEM output (1,120 bytes), then the "
            "ciphertext "
            "with its tag.",
            "La clé est faite de la graine du premier vecteur du projet de norme X-Wing. Le scellement est "
            "aléatoire : ce texte a été scellé une fois, il est ouvert ici. Il se compose de la "
            "sortie du KEM "
            "(1 120 octets), puis du texte chiffré avec son étiquette.",
        ),
        code="chappe.mls.suites.CipherSuite.decrypt_with_label (0xF00D)",
        inputs=[
            ("Seed of the private key", "Graine de la clé privée", _SEED.hex()),
            ("Label (RFC 9420, section 5.1.3)", "Libellé (RFC 9420, section 5.1.3)", _LABEL.encode().hex()),
            ("Sealed text", "Texte scellé", _SEALED.hex()),
        ],
        outputs=[
            ("Public key, last 32 bytes (X25519)", "Clé publique, 32 derniers octets (X25519)",
             suite.public_of(_SEED)[-32:].hex()),
            ("Plaintext", "Texte clair", opened.hex()),
        ],
    )  # fmt: skip


def _vault() -> Reference:
    from chappe.vault import keys

    a = keys.stretch(_PIN, _R)
    kek = keys.kek_of(a, _R, _SHARE)
    opened = keys.unwrap(kek, _WRAPPED, keys.WRAP_CONTEXT)
    assert opened is not None
    return Reference(
        id="vault",
        title=(
            "From a PIN to the vault's key: Argon2id, HKDF-SHA-256, AES-256-GCM",
            "Du code PIN à la clé du coffre : Argon2id, HKDF-SHA-256, AES-256-GCM",
        ),
        text=(
            "Nonces are random: this key was wrapped once, and is opened here. The wrapped key is the nonce "
            "(12 bytes), then the ciphertext with its tag.",
            "Les nonces sont aléatoires : cette clé a été enveloppée une fois, elle est ouverte ici. La clé "
            "enveloppée se compose du nonce (12 octets), puis du texte chiffré avec son étiquette.",
        ),
        code="chappe.vault.keys (stretch, kek_of, unwrap)",
        inputs=[
            ("PIN, as UTF-8", "Code PIN, en UTF-8", _PIN.encode().hex()),
            ("Device secret r", "Secret de l'appareil r", _R.hex()),
            ("Share s", "Part s", _SHARE.hex()),
            ("Wrapped key", "Clé enveloppée", _WRAPPED.hex()),
        ],
        outputs=[
            ("Stretched PIN a", "Code étiré a", bytes(a).hex()),
            ("Key that wraps (KEK)", "Clé d'enveloppe (KEK)", kek.hex()),
            ("Vault key", "Clé du coffre", bytes(opened).hex()),
        ],
    )
