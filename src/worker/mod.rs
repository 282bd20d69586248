//! Child processes that may fail: their sandbox, their time and memory limits, and the framed protocol, both ends.
