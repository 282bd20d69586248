-- Recorders in the network: what they list. Recordings may be fetched ones, with reasons of their own to end. See
-- schema.sql. The tables of recordings are made anew, because their lists of words grow; nothing refers to segments.

CREATE TABLE kept_segment AS SELECT * FROM segment;
DROP TABLE segment;
CREATE TABLE kept_recording AS SELECT * FROM recording;
DROP TABLE recording;

CREATE TABLE recording (
  recording_id TEXT PRIMARY KEY,
  stream       TEXT NOT NULL,
  room         TEXT NOT NULL,
  cause        TEXT NOT NULL CHECK (cause IN ('person', 'schedule', 'always', 'pull')),
  officer      TEXT,
  co_officers  TEXT,
  case_raw     TEXT,
  case_key     TEXT,
  matter       TEXT,
  proves       TEXT,
  begun_by     TEXT NOT NULL,
  begun_ms     INTEGER NOT NULL,
  ended        TEXT CHECK (ended IN ('stopped', 'replaced', 'schedule', 'unconfigured', 'whole', 'short')),
  ended_by     TEXT,
  ended_ms     INTEGER,
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
INSERT INTO recording SELECT recording_id, stream, room, cause, officer, co_officers, case_raw, case_key, matter, proves, begun_by, begun_ms, ended, ended_by, ended_ms FROM kept_recording;
DROP TABLE kept_recording;
CREATE INDEX recording_by_stream ON recording (stream, begun_ms);
CREATE UNIQUE INDEX recording_open ON recording (stream) WHERE ended IS NULL AND cause <> 'pull';

CREATE TABLE segment (
  clip_id      TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  recording_id TEXT NOT NULL REFERENCES recording,
  segment_no   INTEGER NOT NULL CHECK (segment_no >= 1),
  station_ms   INTEGER NOT NULL,
  source_ms    INTEGER,
  length_ms    INTEGER NOT NULL DEFAULT 0,
  ended        TEXT CHECK (ended IN ('length', 'asked', 'changed', 'lost', 'silent', 'stopped', 'interrupted', 'failed', 'full', 'whole', 'short')),
  ended_detail TEXT,
  UNIQUE (recording_id, segment_no)
) STRICT;
INSERT INTO segment SELECT clip_id, recording_id, segment_no, station_ms, source_ms, length_ms, ended, ended_detail FROM kept_segment;
DROP TABLE kept_segment;

CREATE TABLE listed (
  listed_id     INTEGER PRIMARY KEY,
  recorder_id   TEXT NOT NULL REFERENCES recorder,
  item          TEXT NOT NULL,
  from_ms       INTEGER NOT NULL,
  to_ms         INTEGER NOT NULL,
  timeline      TEXT NOT NULL CHECK (timeline IN ('clock', 'npt')),
  grows         INTEGER NOT NULL CHECK (grows IN (0, 1)),
  state         TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'whole', 'short')),
  recording_id  TEXT UNIQUE REFERENCES recording,
  tries         INTEGER NOT NULL DEFAULT 0,
  detail        TEXT,
  first_seen_ms INTEGER NOT NULL,
  last_seen_ms  INTEGER NOT NULL,
  UNIQUE (recorder_id, item, from_ms),
  CHECK (to_ms > from_ms)
) STRICT;
