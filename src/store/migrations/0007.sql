-- Streams: recordings, their segments, their gaps. See schema.sql.

CREATE TABLE recording (
  recording_id TEXT PRIMARY KEY,
  stream       TEXT NOT NULL,
  room         TEXT NOT NULL,
  cause        TEXT NOT NULL CHECK (cause IN ('person', 'schedule', 'always')),
  officer      TEXT,
  co_officers  TEXT,
  case_raw     TEXT,
  case_key     TEXT,
  matter       TEXT,
  proves       TEXT,
  begun_by     TEXT NOT NULL,
  begun_ms     INTEGER NOT NULL,
  ended        TEXT CHECK (ended IN ('stopped', 'replaced', 'schedule', 'unconfigured')),
  ended_by     TEXT,
  ended_ms     INTEGER,
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX recording_by_stream ON recording (stream, begun_ms);
CREATE UNIQUE INDEX recording_open ON recording (stream) WHERE ended IS NULL;

CREATE TABLE segment (
  clip_id      TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  recording_id TEXT NOT NULL REFERENCES recording,
  segment_no   INTEGER NOT NULL CHECK (segment_no >= 1),
  station_ms   INTEGER NOT NULL,
  source_ms    INTEGER,
  length_ms    INTEGER NOT NULL DEFAULT 0,
  ended        TEXT CHECK (ended IN ('length', 'asked', 'changed', 'lost', 'silent', 'stopped', 'interrupted', 'failed', 'full')),
  ended_detail TEXT,
  UNIQUE (recording_id, segment_no)
) STRICT;

CREATE TABLE gap (
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  n          INTEGER NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('loss', 'skip', 'source_clock', 'station_clock')),
  from_ms    INTEGER NOT NULL,
  to_ms      INTEGER NOT NULL,
  missing_ms INTEGER NOT NULL,
  count      INTEGER NOT NULL,
  PRIMARY KEY (clip_id, n)
) STRICT, WITHOUT ROWID;
