//! Resumable upload to destinations and the proof that they hold the same bytes. Never hashes what was hashed at intake.
