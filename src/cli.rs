//! What was typed: clap types only, no behaviour.
