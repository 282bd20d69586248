//! What evidock talks about: clips, recorders, cases, digests, records, custody and its events, and
//! the ports through which hardware and networks are reached.
//!
//! Pure: no file, socket, database, clock or thread is touched here, and nothing of the other
//! rooms is imported.

pub mod account;
pub mod alarm;
pub mod as_sealed;
pub mod backup;
pub mod case_number;
pub mod clip;
pub mod command;
pub mod coverage;
pub mod derivative;
pub mod derived;
pub mod device;
pub mod digest;
pub mod disposal;
pub mod document;
pub mod elsewhere;
pub mod erase;
pub mod error;
pub mod event;
pub mod evict;
pub mod evidence;
pub mod export;
pub mod filing;
pub mod grid;
pub mod grounds;
pub mod identity;
pub mod ids;
pub mod layout;
pub mod merkle;
pub mod notice;
pub mod office;
pub mod outing;
pub mod oversight;
pub mod paper;
pub mod place;
pub mod ports;
pub mod proof;
pub mod record;
pub mod recorder;
pub mod recorder_clock;
pub mod register;
pub mod replay;
pub mod report;
pub mod retention;
pub mod review;
pub mod rights;
pub mod search;
pub mod sending;
pub mod sensitivity;
pub mod sentence;
pub mod stream;
pub mod supervision;
pub mod tile;
pub mod time;
pub mod timetable;
pub mod usb;
pub mod webhook;
pub mod why;
pub mod words;
pub mod workbook;
