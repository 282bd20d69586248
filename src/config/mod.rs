//! Configuration: as written (serde, unknown keys refused) and as resolved (validated).
