//! Case numbers: normalised forms, matching keys and the configurable rule that makes them.
