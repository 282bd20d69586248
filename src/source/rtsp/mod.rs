//! Cameras over RTSP: one supervised worker process for each connection, which may reach the network and no file; what it
//! gives goes through the [`Feed`](crate::domain::ports::Feed) port. The daemon parses nothing of it.
//!
//! | file | owns |
//! | --- | --- |
//! | [`link`] | one connection: its worker, what is told to it and heard of it |
//! | [`room`] | one stream over time: what is wanted, connections one after the other, segments |

pub mod link;
pub mod room;
