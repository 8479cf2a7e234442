"""The dossier: what is declared of the cryptology, what is stored, what is disclosed, and how much of it."""
