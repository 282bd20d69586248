//! Where footage comes from. Recorders are read-only to us and nothing that they say is trusted.
