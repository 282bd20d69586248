//! One clip from a source into the vault: plan, copy and hash in one pass, verify, seal; resumable inside a file.
