"""The drill: honest phones against a relay that attacks (`chappe drill`, docs/drill.md)."""
