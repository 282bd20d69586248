//! The tamper-evident log around the store: signing key, checkpoints, verification. Never opens the database.
