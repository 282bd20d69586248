//! The RFC 6962 Merkle tree over event bytes: pure arithmetic on hashes.
