"""Passage's whole contract: what its SDKs and its browser library ask, told to the native API and back (VENDORS §3)."""
