"""Every MUST of RFC 9420 sections 7, 8 and 12 that the engine can break has a test here that breaks it."""
