-- evidock's database, version 25. This file is the document of what is stored; a test proves that the
-- migrations lead to exactly this schema.
--
-- Conventions: *_ms are milliseconds since the Unix epoch, UTC. Sizes and offsets are bytes. Digests
-- are 32 raw bytes. Identifiers of clips are their text form. Words in CHECK lists are those of
-- src/domain. Rows of evidence are never deleted; what is withdrawn gets a later row that says so.

-- Which station this database belongs to. One row.
CREATE TABLE station (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  station_id  TEXT NOT NULL,
  epoch       INTEGER NOT NULL CHECK (epoch >= 1),  -- counts restores (decision 3)
  created_ms  INTEGER NOT NULL,
  superseded_by INTEGER,                             -- a later epoch, seen elsewhere: this database writes nothing more
  catalogue_from INTEGER NOT NULL DEFAULT 0          -- segments of the catalogue below this number are an earlier epoch's
) STRICT;

-- Recorders ever seen.
CREATE TABLE recorder (
  recorder_id   TEXT PRIMARY KEY,
  profile       TEXT NOT NULL,                       -- name of the recorder profile that read it last
  model         TEXT,
  first_seen_ms INTEGER NOT NULL,
  last_seen_ms  INTEGER NOT NULL
) STRICT;

-- The register of recorders: devices as the gate sees them before anything on them is read, and who decided what
-- about each. A device without a serial number of its own is one row for each socket in which it was seen.
CREATE TABLE device (
  device_id     INTEGER PRIMARY KEY,
  device_key    TEXT NOT NULL UNIQUE,                -- domain::device::DeviceKey: 0951:1666:SERIAL or 0951:1666@PORT
  vendor_id     INTEGER NOT NULL CHECK (vendor_id BETWEEN 0 AND 65535),
  product_id    INTEGER NOT NULL CHECK (product_id BETWEEN 0 AND 65535),
  name          TEXT NOT NULL DEFAULT '',            -- vendor and product in its own words, escaped
  state         TEXT NOT NULL DEFAULT 'unknown' CHECK (state IN ('unknown', 'approved', 'refused', 'in_repair', 'retired')),
  reason        TEXT,
  decided_by    TEXT,                                -- kind:id of the actor
  decided_ms    INTEGER,
  recorder_id   TEXT REFERENCES recorder,            -- which recorder it turned out to be when it was last read
  volume_id     TEXT,                                -- and the number of the volume that it had then
  port          TEXT,                                -- last seen there; NULL, like the times, while it was only named
  bay           TEXT,
  first_seen_ms INTEGER,
  last_seen_ms  INTEGER,
  CHECK (state = 'unknown' OR (decided_by IS NOT NULL AND decided_ms IS NOT NULL))
) STRICT;
CREATE INDEX device_by_recorder ON device (recorder_id) WHERE recorder_id IS NOT NULL;

-- One stay of a recorder in a bay.
CREATE TABLE dock (
  dock_id     INTEGER PRIMARY KEY,
  bay         TEXT NOT NULL,
  recorder_id TEXT NOT NULL REFERENCES recorder,
  kind        TEXT NOT NULL,                         -- folder, later usb-fat, usb-exfat, mtp, onvif, push
  identified  TEXT NOT NULL,                         -- how the recorder's id was found (file_name, volume_label, binding, ...)
  opened_ms   INTEGER NOT NULL,
  closed_ms   INTEGER,
  files       INTEGER NOT NULL DEFAULT 0,            -- as last listed
  bytes       INTEGER NOT NULL DEFAULT 0,
  safe        INTEGER NOT NULL DEFAULT 0 CHECK (safe IN (0, 1)),  -- invariant 9, as last computed
  unreadable_logged INTEGER NOT NULL DEFAULT 0,      -- places reported so far: only so many get an event each
  clock_offset_ms INTEGER,                           -- the recorder's clock minus the station's, where it could be estimated
  clock_how TEXT CHECK (clock_how IN ('device', 'newest_file'))  -- how; newest_file is a lower bound
) STRICT;
CREATE INDEX dock_open ON dock (bay) WHERE closed_ms IS NULL;
CREATE INDEX dock_by_recorder ON dock (recorder_id);
CREATE INDEX dock_by_bay ON dock (bay);

-- What could not be read at a dock: reported, never skipped in silence.
CREATE TABLE unreadable (
  dock_id   INTEGER NOT NULL REFERENCES dock,
  path      BLOB NOT NULL,
  reason    TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (dock_id, path)
) STRICT, WITHOUT ROWID;

-- A clip (decision 1). The row is committed before the first byte is copied.
CREATE TABLE clip (
  clip_id        TEXT PRIMARY KEY,
  recorder_id    TEXT NOT NULL REFERENCES recorder,
  dock_id        INTEGER REFERENCES dock,            -- the dock at which it was first seen; NULL for pushed clips
  path           BLOB NOT NULL,                      -- on the recorder, in its own bytes
  local          TEXT NOT NULL CHECK (local IN ('copying', 'sealed', 'evicted', 'damaged')),
  declared_bytes INTEGER,                            -- as listed; NULL for a stream
  modified_raw   TEXT NOT NULL,                      -- the recorder's own time (invariant 8)
  modified_ms    INTEGER,
  role           TEXT NOT NULL DEFAULT 'clip' CHECK (role IN ('clip', 'sidecar', 'log', 'other', 'document')),         -- what the profile says it is; only recordings owe the five facts
  importance     INTEGER NOT NULL DEFAULT 0,         -- 1 = marked on the recorder
  evidence       TEXT NOT NULL DEFAULT '{}',         -- JSON of intake::Evidence: what the file's name, sidecars and binding say
  created_ms     INTEGER NOT NULL,
  grid_bytes     INTEGER NOT NULL,                   -- domain::grid: fixed part size, 0 = growing schedule
  -- Durable progress inside the file: the .part is synced up to here, and its prefix has this BLAKE3.
  durable_bytes  INTEGER NOT NULL DEFAULT 0,
  durable_blake3 BLOB,
  resume_check   TEXT,                               -- 'sampled' once a copy went on from an earlier dock
  -- Set when sealed, together, and never changed afterwards.
  size_bytes     INTEGER,
  blake3         BLOB,
  sha256         BLOB,
  sealed_ms      INTEGER,
  sealed_seq     INTEGER,                            -- position of the sealing event in the log
  shares         TEXT REFERENCES clip,               -- same bytes as this clip: one file on disk under two names
  supersedes     TEXT REFERENCES clip,               -- the file grew: the earlier clip, which stays
  quarantine     TEXT,                               -- reason, while the flag stands
  record_rev     INTEGER NOT NULL DEFAULT 0,         -- newest revision of the record
  record_stale   INTEGER NOT NULL DEFAULT 1,         -- facts changed after it
  state          TEXT NOT NULL DEFAULT 'copying' CHECK (state IN ('copying', 'sealed', 'sending', 'proven', 'released')),  -- domain::clip::project of all its facets; rewritten with each change of them
  owes_since_ms  INTEGER,                            -- sealed, and lacks one of the five: since when
  holes TEXT NOT NULL DEFAULT '[]',                  -- places of the recorder's file that could not be read and stand as zeros in ours: JSON [[offset, bytes], ...]
  pushed_ms INTEGER,                                 -- when a person last pushed it to the front of what goes out
  isolated_ms INTEGER,                               -- suspected classified since then: goes nowhere, is shown to nobody
  evict_seq INTEGER,                                 -- local is 'evicted' and its file may still stand: position of the event that said so
  disposed_ms INTEGER,                               -- disposed of after appraisal since then: nothing of it is kept here but this row and its record
  sm3 BLOB CHECK (sm3 IS NULL OR length(sm3) = 32),  -- set when sealed, with the other digests, where [custody] sm3 was on; NULL where not
  CHECK (local = 'copying' OR (size_bytes IS NOT NULL AND length(blake3) = 32 AND length(sha256) = 32 AND sealed_ms IS NOT NULL))
) STRICT;
CREATE INDEX clip_by_source ON clip (recorder_id, path);
CREATE INDEX clip_by_digest ON clip (blake3) WHERE blake3 IS NOT NULL;
CREATE INDEX clip_copying ON clip (local) WHERE local = 'copying';
CREATE INDEX clip_stale ON clip (clip_id) WHERE record_stale = 1;
CREATE INDEX clip_by_state ON clip (state, coalesce(sealed_ms, created_ms));
CREATE INDEX clip_owing ON clip (owes_since_ms) WHERE owes_since_ms IS NOT NULL;
CREATE INDEX clip_quarantined ON clip (local) WHERE quarantine IS NOT NULL;
CREATE INDEX clip_damaged ON clip (local) WHERE local = 'damaged';
CREATE INDEX clip_isolated ON clip (isolated_ms) WHERE isolated_ms IS NOT NULL;
CREATE INDEX clip_evicting ON clip (evict_seq) WHERE evict_seq IS NOT NULL;
CREATE INDEX clip_evicted ON clip (local) WHERE local = 'evicted';
CREATE INDEX clip_disposed ON clip (disposed_ms) WHERE disposed_ms IS NOT NULL;
CREATE INDEX clip_by_dock ON clip (dock_id) WHERE dock_id IS NOT NULL;
CREATE INDEX clip_sharing ON clip (shares) WHERE shares IS NOT NULL;
CREATE INDEX clip_superseding ON clip (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX clip_evictable ON clip (clip_id) WHERE local = 'sealed' AND state IN ('proven', 'released');

-- The settings of the last start, by name (domain::setting): the next start logs which of its own are others. What secrets
-- hold stands here as a digest under a key of this database.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE setting_key (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;

-- How many clips are in each state, and their bytes, so that no page counts a million rows. Kept by triggers.
CREATE TABLE clip_total (
  state TEXT PRIMARY KEY,
  clips INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0            -- final length, or the listed one while it is copied
) STRICT, WITHOUT ROWID;
INSERT INTO clip_total (state) VALUES ('copying'), ('sealed'), ('sending'), ('proven'), ('released');
CREATE TRIGGER clip_total_in AFTER INSERT ON clip BEGIN
  UPDATE clip_total SET clips = clips + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.declared_bytes, 0) WHERE state = NEW.state;
END;
CREATE TRIGGER clip_total_out AFTER DELETE ON clip BEGIN
  UPDATE clip_total SET clips = clips - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.declared_bytes, 0) WHERE state = OLD.state;
END;
CREATE TRIGGER clip_total_moved AFTER UPDATE OF state, size_bytes, declared_bytes ON clip BEGIN
  UPDATE clip_total SET clips = clips - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.declared_bytes, 0) WHERE state = OLD.state;
  UPDATE clip_total SET clips = clips + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.declared_bytes, 0) WHERE state = NEW.state;
END;

-- Digests of each upload part, computed in the copying pass. The CRC is CRC-64/NVME, its 64 bits as a signed number.
CREATE TABLE clip_part (
  clip_id TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  n       INTEGER NOT NULL,
  offset  INTEGER NOT NULL,
  len     INTEGER NOT NULL,
  sha256  BLOB NOT NULL CHECK (length(sha256) = 32),
  crc64   INTEGER,                                   -- clips copied before version 4 have none
  PRIMARY KEY (clip_id, n)
) STRICT, WITHOUT ROWID;

-- A clip as seen on a recorder at a dock; many to one clip.
CREATE TABLE sighting (
  sighting_id  INTEGER PRIMARY KEY,
  clip_id      TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  recorder_id  TEXT NOT NULL REFERENCES recorder,
  dock_id      INTEGER NOT NULL REFERENCES dock,
  path         BLOB NOT NULL,
  size_bytes   INTEGER NOT NULL,
  modified_raw TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('present', 'gone', 'erase_intended', 'erased')),
  compared     TEXT NOT NULL CHECK (compared IN ('copied', 'full', 'sampled')),  -- how we know that it is this clip
  seen_ms      INTEGER NOT NULL,
  intent_seq INTEGER,                                -- while an intent to erase stands: position of its event in the log
  erased_ms INTEGER,                                 -- when we erased it there, or found it gone after an interrupted erase
  erase_note TEXT,                                   -- code of domain::erase::Refusal: why an attempt to erase it came to nothing
  UNIQUE (dock_id, path, size_bytes, modified_raw)
) STRICT;
CREATE INDEX sighting_intended ON sighting (recorder_id) WHERE state = 'erase_intended';
CREATE INDEX sighting_by_source ON sighting (recorder_id, path);
CREATE INDEX sighting_by_clip ON sighting (clip_id);

-- What the media worker found. Absent until it has looked.
CREATE TABLE media (
  clip_id       TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  container     TEXT, vcodec TEXT, width INTEGER, height INTEGER, fps_milli INTEGER,
  acodec        TEXT, channels INTEGER, sample_rate INTEGER,
  duration_ms   INTEGER, created_ms INTEGER,
  health        TEXT NOT NULL CHECK (health IN ('whole', 'truncated', 'broken', 'not_media')),
  health_detail TEXT,
  thumbnail     INTEGER NOT NULL DEFAULT 0,          -- 1 = vault has a derived thumbnail
  probed_ms     INTEGER NOT NULL
) STRICT;

-- Facts of records, each with its origin; the latest of an origin counts (domain::record::settle).
CREATE TABLE fact (
  fact_id INTEGER PRIMARY KEY,
  clip_id TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  field   TEXT NOT NULL,
  value   TEXT NOT NULL,                             -- empty withdraws
  origin  TEXT NOT NULL,
  actor   TEXT NOT NULL,
  at_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX fact_by_clip ON fact (clip_id);
-- Whether the register of officers has spoken is asked of every clip when it changes.
CREATE INDEX fact_certificate ON fact (clip_id) WHERE field = 'officer_cert_no' AND origin = 'register';
CREATE INDEX fact_party ON fact (value) WHERE field = 'party_ref';

-- The settled facts that lists filter by; derived from fact, rewritten whenever it changes.
CREATE TABLE clip_index (
  clip_id           TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  captured_start_ms INTEGER,
  officer           TEXT,
  place             TEXT,
  missing           TEXT NOT NULL DEFAULT '',        -- comma-joined names of the five that are missing
  missing_count     INTEGER NOT NULL DEFAULT 5,
  notes             TEXT NOT NULL DEFAULT '',       -- lines: roster rows that disagree, times that cannot be
  care INTEGER,                                      -- the label's place in domain::sensitivity, from 0; NULL: not settled since version 8, and treated like the highest
  triage INTEGER,                                    -- place in triage, the highest first (store::triage); NULL: nothing waits for a person
  recorder_id TEXT                                   -- the clip's, so that an outing is found by it and the time
) STRICT;
-- Second officers (协办人员) of a clip, one a row: it is their own, too (domain::rights).
CREATE TABLE clip_co_officer (
  clip_id TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  officer TEXT NOT NULL,
  PRIMARY KEY (clip_id, officer)
) STRICT, WITHOUT ROWID;
CREATE INDEX clip_index_recorder ON clip_index (recorder_id, captured_start_ms);
CREATE INDEX clip_index_start ON clip_index (captured_start_ms);
CREATE INDEX clip_index_officer ON clip_index (officer, clip_id);
CREATE INDEX clip_index_missing ON clip_index (clip_id) WHERE missing_count > 0;
CREATE INDEX clip_index_triage ON clip_index (triage, clip_id) WHERE triage IS NOT NULL;
CREATE INDEX clip_index_waiting ON clip_index (officer, clip_id) WHERE triage IS NOT NULL;
CREATE INDEX clip_index_unsettled ON clip_index (clip_id) WHERE care IS NULL;
CREATE INDEX clip_co_officer_of ON clip_co_officer (officer);

-- Cases, and every number by which each is known.
CREATE TABLE case_file (
  case_id    INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('case', 'inspection', 'on_the_spot', 'unfiled')),
  created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE case_alias (
  case_key     TEXT PRIMARY KEY,                     -- domain::case_number, for matching
  case_id      INTEGER NOT NULL REFERENCES case_file,
  case_hash    TEXT NOT NULL UNIQUE,                 -- domain::layout::case_hash(case_key)
  display      TEXT NOT NULL,
  raw          TEXT NOT NULL,
  loose        TEXT NOT NULL,                        -- for search by half a number
  rule_version INTEGER NOT NULL,
  added_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX case_alias_case ON case_alias (case_id, loose);

-- Links of clips to cases (decision 7). A withdrawal is a revision: the highest rev of (clip, case) counts.
CREATE TABLE case_link (
  link_id      INTEGER PRIMARY KEY,
  clip_id      TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  rev          INTEGER NOT NULL,
  case_key     TEXT NOT NULL REFERENCES case_alias,  -- the number that was used
  raw          TEXT NOT NULL,                        -- as typed
  from_ms      INTEGER, to_ms INTEGER,               -- part of the clip, milliseconds from its start
  stage        TEXT, matter TEXT, proves TEXT,
  origin       TEXT NOT NULL,
  score        INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
  reason       TEXT,                                 -- of a rule, JSON of domain::grounds; in older rows, and of a person, a text
  rule_version INTEGER NOT NULL,
  withdrawn    INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
  actor        TEXT NOT NULL,
  at_ms        INTEGER NOT NULL,
  UNIQUE (clip_id, case_id, rev)
) STRICT;
CREATE INDEX case_link_case ON case_link (case_id);

-- Who had which recorder, when, for what. An import replaces the rows of earlier ones of the same name on the days of which
-- it tells (casework::roster::supersede); other days stay.
CREATE TABLE roster (
  roster_id INTEGER PRIMARY KEY,
  import    TEXT NOT NULL,
  recorder  TEXT NOT NULL,
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  row       TEXT NOT NULL,                           -- JSON of casework::roster::RosterRow
  import_id INTEGER REFERENCES roster_import         -- that brought it; NULL: from before that was kept
) STRICT;
CREATE INDEX roster_by_recorder ON roster (recorder, from_ms);
-- What an import may touch ends after it begins; years of rows do not.
CREATE INDEX roster_by_import ON roster (import, to_ms);
-- Imports of rosters, as people look them up: the log tells of them without their names.
CREATE TABLE roster_import (
  import_id  INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,                          -- roster.import of its rows
  rows       INTEGER NOT NULL,                       -- of the file
  days       INTEGER NOT NULL,                       -- on which they begin
  from_ms    INTEGER NOT NULL,                       -- the first row's begin
  to_ms      INTEGER NOT NULL,                       -- the last row's end
  replaced   INTEGER NOT NULL,                       -- rows that gave way
  actor      TEXT,                                   -- kind:id; NULL: imported before this table was there
  at_ms      INTEGER,
  removed_by TEXT,
  removed_ms INTEGER,
  keeps      INTEGER NOT NULL DEFAULT 0 CHECK (keeps IN (0, 1)), -- which rows it brought and which it replaced is known, so that it can be undone
  undone_by  TEXT,
  undone_ms  INTEGER CHECK ((undone_by IS NULL) = (undone_ms IS NULL)),
  CHECK ((actor IS NULL) = (at_ms IS NULL)),
  CHECK ((removed_by IS NULL) = (removed_ms IS NULL))
) STRICT;
CREATE INDEX roster_import_name ON roster_import (name);
-- Rows that an import replaced, so that it can be undone.
CREATE TABLE roster_before (
  import_id INTEGER NOT NULL REFERENCES roster_import,
  recorder  TEXT NOT NULL,
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  row       TEXT NOT NULL,
  of_import INTEGER REFERENCES roster_import         -- that had brought it
) STRICT;
CREATE INDEX roster_before_import ON roster_before (import_id);
-- Recorders and times of which a roster was changed, until the rules have looked at the clips of then again: those that have
-- all that is asked of them, too.
CREATE TABLE roster_due (
  due_id      INTEGER PRIMARY KEY,
  recorder_id TEXT NOT NULL REFERENCES recorder,
  from_ms     INTEGER NOT NULL,                      -- captured from here, a day before the first row
  to_ms       INTEGER NOT NULL                       -- to here, a day after the last one
) STRICT;

-- Imports of registers. Undoing one puts back what stood there before; its row stays.
CREATE TABLE register_import (
  import_id INTEGER PRIMARY KEY,
  register  TEXT NOT NULL CHECK (register IN ('unit', 'officer', 'recorder', 'party', 'case', 'catalogue')),
  name      TEXT NOT NULL,                           -- of the file
  entries   INTEGER NOT NULL,
  added     INTEGER NOT NULL,
  changed   INTEGER NOT NULL,
  actor     TEXT NOT NULL,                           -- kind:id
  at_ms     INTEGER NOT NULL,
  undone_by TEXT,
  undone_ms INTEGER,
  CHECK ((undone_by IS NULL) = (undone_ms IS NULL))
) STRICT;
-- What registers say now: units, officers, recorders, parties (一户一档), cases, and the catalogue of what is to be
-- recorded (《音像记录事项清单》). Reference data, not evidence: the newest import counts, and the log tells of each.
CREATE TABLE register_entry (
  register  TEXT NOT NULL CHECK (register IN ('unit', 'officer', 'recorder', 'party', 'case', 'catalogue')),
  entry_key TEXT NOT NULL,                           -- domain::register, for matching; of a case its number
  name      TEXT NOT NULL,                           -- as displayed
  loose     TEXT NOT NULL,                           -- for search by half a name or number
  entry     TEXT NOT NULL,                           -- JSON of domain::register::Entry
  line      INTEGER NOT NULL,                        -- in the file that said so last: the order of the sheet
  case_id   INTEGER REFERENCES case_file,
  opened_ms INTEGER,                                 -- of a case, where it is known
  import_id INTEGER NOT NULL REFERENCES register_import,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (register, entry_key),
  CHECK ((case_id IS NULL) = (register <> 'case'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX register_entry_case ON register_entry (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX register_entry_opened ON register_entry (opened_ms) WHERE opened_ms IS NOT NULL;
CREATE INDEX register_entry_loose ON register_entry (case_id, loose) WHERE case_id IS NOT NULL;
-- In the order of their names; and whom a record names is looked up for their certificate.
CREATE INDEX register_entry_name ON register_entry (register, name, entry_key);
-- What cases were called before they were opened (inspection tasks, on-the-spot documents): derived from their entries.
CREATE TABLE case_earlier (
  case_key TEXT NOT NULL,
  case_id  INTEGER NOT NULL REFERENCES case_file,
  PRIMARY KEY (case_key, case_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_earlier_case ON case_earlier (case_id);
-- What an import replaced, so that it can be undone.
CREATE TABLE register_before (
  import_id INTEGER NOT NULL REFERENCES register_import,
  register  TEXT NOT NULL,
  entry_key TEXT NOT NULL,
  before    TEXT,                                    -- JSON of the entry; NULL: there was none
  before_import INTEGER REFERENCES register_import,
  opened    INTEGER NOT NULL DEFAULT 0 CHECK (opened IN (0, 1)),  -- the import opened the case itself
  numbers   TEXT NOT NULL DEFAULT '[]',              -- JSON: keys of the numbers that it gave the case
  PRIMARY KEY (import_id, entry_key)
) STRICT, WITHOUT ROWID;
-- Two cases that an import made one, so that undoing it parts them again (store::registers::joins). A case that an import had
-- opened may be gone since: no references.
CREATE TABLE case_join (
  join_id   INTEGER PRIMARY KEY,
  import_id INTEGER NOT NULL REFERENCES register_import,
  case_id   INTEGER NOT NULL,                        -- that stands
  other_id  INTEGER NOT NULL,                        -- that became one with it
  moved     TEXT NOT NULL,                           -- JSON: numbers, entry and rows of other tables that were the other's
  stood     TEXT NOT NULL,                           -- JSON: what stood for the one case when the import was done
  split_ms  INTEGER
) STRICT;
CREATE INDEX case_join_import ON case_join (import_id);
CREATE INDEX case_join_case ON case_join (case_id);
CREATE INDEX case_join_other ON case_join (other_id);
-- Revisions of links that a join wrote, and of those that its undoing took along: nobody said them of that case.
CREATE TABLE case_join_link (
  link_id INTEGER PRIMARY KEY REFERENCES case_link ON DELETE CASCADE,
  join_id INTEGER NOT NULL REFERENCES case_join
) STRICT;
CREATE INDEX case_join_link_join ON case_join_link (join_id);

-- Links that rules suggest, one row for clip and case: the strongest rule's word. What a person refused is never
-- suggested or linked by a rule again.
CREATE TABLE suggestion (
  suggestion_id INTEGER PRIMARY KEY,
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  case_key   TEXT NOT NULL,                          -- of the number; the case itself may not be open yet
  raw        TEXT NOT NULL,                          -- the number as it was found
  rule       TEXT NOT NULL,                          -- word of casework::rules::Rule
  score      INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
  reason     TEXT NOT NULL,                          -- JSON of domain::grounds; in older rows a text
  stage      TEXT, matter TEXT, proves TEXT,
  state      TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused', 'linked', 'gone')),  -- linked: by the rule itself; gone: no rule says so any more
  made_ms    INTEGER NOT NULL,
  decided_by TEXT,                                   -- kind:id of the actor
  decided_ms INTEGER,
  UNIQUE (clip_id, case_key)
) STRICT;
CREATE INDEX suggestion_open ON suggestion (clip_id) WHERE state = 'open';

-- Why a matter of a case has no recording: a written record stands for it (以文字记录替代), or it was not recorded
-- (缺记原因). Each is about one occasion (domain::coverage::occasion). The newest row of case, matter, stage and occasion counts; an
-- empty reason withdraws.
CREATE TABLE no_record (
  no_record_id INTEGER PRIMARY KEY,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  matter       TEXT NOT NULL,
  written      INTEGER NOT NULL CHECK (written IN (0, 1)),
  reason       TEXT NOT NULL,
  actor        TEXT NOT NULL,                        -- kind:id
  at_ms        INTEGER NOT NULL,
  basis        TEXT NOT NULL DEFAULT '',             -- on what basis: an order, an article, a report of the fault
  stage        TEXT,                                 -- of which stage, where that was said
  of_ms        INTEGER                               -- of which occasion, where that was said: when it began
) STRICT;
CREATE INDEX no_record_case ON no_record (case_id);

-- Repairs and retirements of recorders (维修, 停用), and that they came back into use: one row each time that somebody said so. By
-- the recorder's key, whether a device at the gate is known for it or not; the newest row is how it stands.
CREATE TABLE recorder_mark (
  mark_id  INTEGER PRIMARY KEY,
  recorder TEXT NOT NULL,                            -- domain::recorder::recorder_key
  named    TEXT NOT NULL,                            -- as typed or registered
  state    TEXT NOT NULL CHECK (state IN ('in_use', 'in_repair', 'retired')),
  reason   TEXT,
  actor    TEXT NOT NULL,                            -- kind:id
  at_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX recorder_mark_of ON recorder_mark (recorder, mark_id);

-- Who took which recorder out, and when it came back (领用/归还). An open row has no to_ms; a recorder has at most one.
CREATE TABLE issue (
  issue_id    INTEGER PRIMARY KEY,
  recorder    TEXT NOT NULL,                         -- domain::recorder::recorder_key, for matching
  named       TEXT NOT NULL,                         -- as typed
  officer     TEXT NOT NULL,
  case_raw    TEXT,                                  -- for which case, as typed
  case_key    TEXT,                                  -- and its key; the case itself is opened by the first clip
  place       TEXT,
  matter      TEXT,
  from_ms     INTEGER NOT NULL,
  due_ms      INTEGER,                               -- expected back
  to_ms       INTEGER,                               -- no longer part of the stay out
  ended       TEXT CHECK (ended IN ('returned', 'reissued')),
  issued_by   TEXT NOT NULL,                         -- kind:id of the actor
  ended_by    TEXT,
  undone_by   TEXT,                                  -- who took a mistaken issue back: it says nothing about any clip
  undone_ms   INTEGER,
  CHECK ((to_ms IS NULL) = (ended IS NULL))
) STRICT;
CREATE INDEX issue_by_recorder ON issue (recorder, from_ms);
CREATE UNIQUE INDEX issue_open ON issue (recorder) WHERE to_ms IS NULL;

-- Recordings of live streams: what a person, a schedule or the configuration asked for. The open one of a stream is what
-- its supervisor carries out, also after a restart. Of cause 'pull' they were recorded elsewhere and are fetched: then
-- stream is the recorder's name in the configuration, room its bay, and begin and end are those of the recorder's list,
-- on the station's clock.
CREATE TABLE recording (
  recording_id TEXT PRIMARY KEY,
  stream       TEXT NOT NULL,                        -- its name in the configuration
  room         TEXT NOT NULL,                        -- as people called it then
  cause        TEXT NOT NULL CHECK (cause IN ('person', 'schedule', 'always', 'pull')),
  officer      TEXT,                                 -- who records
  co_officers  TEXT,
  case_raw     TEXT,                                 -- for which case, as typed
  case_key     TEXT,                                 -- and its key; the case itself is opened by the first segment
  matter       TEXT,
  proves       TEXT,
  begun_by     TEXT NOT NULL,                        -- kind:id of the actor
  begun_ms     INTEGER NOT NULL,
  ended        TEXT CHECK (ended IN ('stopped', 'replaced', 'schedule', 'unconfigured', 'whole', 'short')),
  ended_by     TEXT,
  ended_ms     INTEGER,
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX recording_by_stream ON recording (stream, begun_ms);
CREATE UNIQUE INDEX recording_open ON recording (stream) WHERE ended IS NULL AND cause <> 'pull';

-- The clips in which a recording lies, in order.
CREATE TABLE segment (
  clip_id      TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  recording_id TEXT NOT NULL REFERENCES recording,
  segment_no   INTEGER NOT NULL CHECK (segment_no >= 1),
  station_ms   INTEGER NOT NULL,                     -- the station's clock at its first frame
  source_ms    INTEGER,                              -- the camera's, by its RTCP sender reports; NULL where it sends none
  length_ms    INTEGER NOT NULL DEFAULT 0,           -- of what was durable last; a probe of the whole says more
  ended        TEXT CHECK (ended IN ('length', 'asked', 'changed', 'lost', 'silent', 'stopped', 'interrupted', 'failed', 'full', 'whole', 'short')),
  ended_detail TEXT,                                 -- in the words of camera or system
  UNIQUE (recording_id, segment_no)
) STRICT;

-- What recorders in the network list: each stretch of footage, by the recorder's own clock. What it lists and is not in
-- the segments of its recording is missing.
CREATE TABLE listed (
  listed_id     INTEGER PRIMARY KEY,
  recorder_id   TEXT NOT NULL REFERENCES recorder,
  item          TEXT NOT NULL,                       -- what the recorder calls the recording, escaped
  from_ms       INTEGER NOT NULL,                    -- milliseconds since the Unix epoch, or since the beginning of the footage (npt)
  to_ms         INTEGER NOT NULL,
  timeline      TEXT NOT NULL CHECK (timeline IN ('clock', 'npt')),
  grows         INTEGER NOT NULL CHECK (grows IN (0, 1)),  -- the recorder still writes to it
  state         TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'whole', 'short')),
  recording_id  TEXT UNIQUE REFERENCES recording,    -- once some of it was fetched
  tries         INTEGER NOT NULL DEFAULT 0,          -- in a row that brought nothing
  detail        TEXT,                                -- why nothing more came, in words
  first_seen_ms INTEGER NOT NULL,
  last_seen_ms  INTEGER NOT NULL,
  mark          TEXT CHECK (length(mark) = 64),      -- of footage that nothing dates: digest of what it plays at three places, to know it again
  UNIQUE (recorder_id, item, from_ms),
  CHECK (to_ms > from_ms)
) STRICT;

-- What is missing inside a segment, and clocks that were set during it. Times from its first frame. What is missing
-- between two segments follows from their times.
CREATE TABLE gap (
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  n          INTEGER NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('loss', 'skip', 'source_clock', 'station_clock')),
  from_ms    INTEGER NOT NULL,
  to_ms      INTEGER NOT NULL,
  missing_ms INTEGER NOT NULL,                       -- of a clock: how far it was set, negative back
  count      INTEGER NOT NULL,                       -- packets, frames, jumps
  PRIMARY KEY (clip_id, n)
) STRICT, WITHOUT ROWID;

-- Destinations as last probed.
CREATE TABLE destination (
  name        TEXT PRIMARY KEY,
  proof       TEXT CHECK (proof IN ('remote_checksum', 'read_back', 'length_only', 'none')),
  can_lock    INTEGER NOT NULL DEFAULT 0,
  same_device INTEGER NOT NULL DEFAULT 0,
  detail      TEXT NOT NULL DEFAULT '',
  probed_ms   INTEGER,
  -- Why nothing goes out now, while that is so.
  trouble     TEXT, trouble_retry TEXT, trouble_ms INTEGER,
  in_order    INTEGER NOT NULL DEFAULT 0             -- parts of an object one after the other only
) STRICT;

-- A clip's delivery to a destination (decision 5). Where parts may go up while the clip is still being copied, the row
-- exists from the clip's first moment.
CREATE TABLE delivery (
  clip_id     TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'proven', 'suspect', 'failed')),
  required    INTEGER NOT NULL DEFAULT 1,
  reason      TEXT, retry TEXT,                      -- of the last failure; retry is transient, permanent, operator
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_ms INTEGER NOT NULL DEFAULT 0,
  acked_bytes INTEGER NOT NULL DEFAULT 0,
  sent_ms     INTEGER, proven_ms INTEGER,
  proof       TEXT,                                  -- how it was proven
  checksum    TEXT,                                  -- what was compared
  version_id  TEXT,
  locked_until_ms INTEGER,
  audited_ms INTEGER,                                -- since its proof: when it was last read again and found the same
  audit_how TEXT CHECK (audit_how IN ('sampled', 'whole')),  -- the most thorough of these readings
  whole_ms INTEGER,                                  -- when every byte was read again last
  legal_hold INTEGER NOT NULL DEFAULT 0 CHECK (legal_hold IN (0, 1)),  -- a legal hold of ours stands on it there
  PRIMARY KEY (clip_id, destination)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (destination, next_try_ms) WHERE state <> 'proven';
CREATE INDEX delivery_proven ON delivery (proven_ms) WHERE state = 'proven' AND required = 1;
CREATE INDEX delivery_failed ON delivery (destination) WHERE state = 'failed';
CREATE INDEX delivery_sending ON delivery (destination) WHERE state = 'sending';
CREATE INDEX delivery_suspect ON delivery (destination) WHERE state = 'suspect';
CREATE INDEX delivery_audit ON delivery (destination, audited_ms) WHERE state = 'proven';
CREATE INDEX delivery_lock ON delivery (destination, locked_until_ms) WHERE state = 'proven';
CREATE INDEX delivery_mismatched ON delivery (destination) WHERE state = 'suspect' OR (state = 'waiting' AND reason IS NOT NULL AND retry IS NULL);
CREATE INDEX delivery_held ON delivery (destination) WHERE legal_hold = 1;

-- How many clips are what pages tell of all of them, kept by triggers, as clip_total is; store::tally checks it.
CREATE TABLE tally (
  what  TEXT PRIMARY KEY,                            -- of clips, 'owing': they lack one of the five; 'evicted': without a local copy, and not disposed of;
                                                     -- 'disk_unproven', 'disk_proven': with a file of their own on the vault's disk; of their index, 'triage 0' to
                                                     -- 'triage 5': they wait, by care; of clip_report, 'early 0' to 'early 5': linked to what there was before a
                                                     -- case alone and not isolated, by care
  n     INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0                   -- of what has bytes: of its length, or of as much as is durable
) STRICT, WITHOUT ROWID;
INSERT INTO tally (what) VALUES ('owing'), ('evicted'), ('disk_unproven'), ('disk_proven'),
  ('triage 0'), ('triage 1'), ('triage 2'), ('triage 3'), ('triage 4'), ('triage 5'),
  ('early 0'), ('early 1'), ('early 2'), ('early 3'), ('early 4'), ('early 5');
CREATE TRIGGER tally_clip_in AFTER INSERT ON clip BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'owing' AND NEW.owes_since_ms IS NOT NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, 0) WHERE what = 'evicted' AND NEW.local = 'evicted' AND NEW.disposed_ms IS NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.durable_bytes) WHERE NEW.local <> 'evicted' AND NEW.shares IS NULL
    AND what = CASE WHEN NEW.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_clip_out AFTER DELETE ON clip BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'owing' AND OLD.owes_since_ms IS NOT NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, 0) WHERE what = 'evicted' AND OLD.local = 'evicted' AND OLD.disposed_ms IS NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.durable_bytes) WHERE OLD.local <> 'evicted' AND OLD.shares IS NULL
    AND what = CASE WHEN OLD.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_clip_owes AFTER UPDATE OF owes_since_ms ON clip WHEN (OLD.owes_since_ms IS NULL) <> (NEW.owes_since_ms IS NULL) BEGIN
  UPDATE tally SET n = n + CASE WHEN NEW.owes_since_ms IS NULL THEN -1 ELSE 1 END WHERE what = 'owing';
END;
CREATE TRIGGER tally_clip_moved AFTER UPDATE OF local, shares, state, size_bytes, durable_bytes, disposed_ms ON clip
  WHEN OLD.local <> NEW.local OR OLD.shares IS NOT NEW.shares OR OLD.state <> NEW.state OR OLD.size_bytes IS NOT NEW.size_bytes
    OR OLD.durable_bytes <> NEW.durable_bytes OR OLD.disposed_ms IS NOT NEW.disposed_ms BEGIN
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, 0) WHERE what = 'evicted' AND OLD.local = 'evicted' AND OLD.disposed_ms IS NULL;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, 0) WHERE what = 'evicted' AND NEW.local = 'evicted' AND NEW.disposed_ms IS NULL;
  UPDATE tally SET n = n - 1, bytes = bytes - coalesce(OLD.size_bytes, OLD.durable_bytes) WHERE OLD.local <> 'evicted' AND OLD.shares IS NULL
    AND what = CASE WHEN OLD.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
  UPDATE tally SET n = n + 1, bytes = bytes + coalesce(NEW.size_bytes, NEW.durable_bytes) WHERE NEW.local <> 'evicted' AND NEW.shares IS NULL
    AND what = CASE WHEN NEW.state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END;
END;
CREATE TRIGGER tally_triage_in AFTER INSERT ON clip_index WHEN NEW.triage IS NOT NULL BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'triage ' || coalesce(NEW.care, 4);
END;
CREATE TRIGGER tally_triage_out AFTER DELETE ON clip_index WHEN OLD.triage IS NOT NULL BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'triage ' || coalesce(OLD.care, 4);
END;
CREATE TRIGGER tally_triage_moved AFTER UPDATE OF triage, care ON clip_index
  WHEN (OLD.triage IS NULL) <> (NEW.triage IS NULL) OR (NEW.triage IS NOT NULL AND OLD.care IS NOT NEW.care) BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'triage ' || coalesce(OLD.care, 4) AND OLD.triage IS NOT NULL;
  UPDATE tally SET n = n + 1 WHERE what = 'triage ' || coalesce(NEW.care, 4) AND NEW.triage IS NOT NULL;
END;

-- The same of deliveries.
CREATE TABLE delivery_total (
  destination TEXT NOT NULL,
  state       TEXT NOT NULL,
  required    INTEGER NOT NULL,
  n           INTEGER NOT NULL,                      -- 0 stays where there was one
  PRIMARY KEY (destination, state, required)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER delivery_total_in AFTER INSERT ON delivery BEGIN
  INSERT INTO delivery_total SELECT NEW.destination, NEW.state, NEW.required, 0
    WHERE NOT EXISTS (SELECT 1 FROM delivery_total WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required);
  UPDATE delivery_total SET n = n + 1 WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required;
END;
CREATE TRIGGER delivery_total_out AFTER DELETE ON delivery BEGIN
  UPDATE delivery_total SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state AND required = OLD.required;
END;
CREATE TRIGGER delivery_total_moved AFTER UPDATE OF state, required ON delivery WHEN OLD.state <> NEW.state OR OLD.required <> NEW.required BEGIN
  UPDATE delivery_total SET n = n - 1 WHERE destination = OLD.destination AND state = OLD.state AND required = OLD.required;
  INSERT INTO delivery_total SELECT NEW.destination, NEW.state, NEW.required, 0
    WHERE NOT EXISTS (SELECT 1 FROM delivery_total WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required);
  UPDATE delivery_total SET n = n + 1 WHERE destination = NEW.destination AND state = NEW.state AND required = NEW.required;
END;

-- How many evicted clips are proven at which destinations, so that what nobody can read any more is known at once.
CREATE TABLE evicted_at (
  destinations TEXT PRIMARY KEY,                     -- JSON: where such a clip is proven, in the order of their names
  clips        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER evicted_at_clip AFTER UPDATE OF local, disposed_ms ON clip
  WHEN (OLD.local = 'evicted' AND OLD.disposed_ms IS NULL) <> (NEW.local = 'evicted' AND NEW.disposed_ms IS NULL) BEGIN
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + CASE WHEN NEW.local = 'evicted' AND NEW.disposed_ms IS NULL THEN 1 ELSE -1 END
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_in AFTER INSERT ON clip WHEN NEW.local = 'evicted' AND NEW.disposed_ms IS NULL BEGIN
  INSERT INTO evicted_at SELECT '[]', 0 WHERE NOT EXISTS (SELECT 1 FROM evicted_at WHERE destinations = '[]');
  UPDATE evicted_at SET clips = clips + 1 WHERE destinations = '[]';
END;
CREATE TRIGGER evicted_at_out BEFORE DELETE ON clip WHEN OLD.local = 'evicted' AND OLD.disposed_ms IS NULL BEGIN
  UPDATE evicted_at SET clips = clips - 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_proven AFTER UPDATE OF state ON delivery
  WHEN (OLD.state = 'proven') <> (NEW.state = 'proven') AND EXISTS (SELECT 1 FROM clip WHERE clip_id = NEW.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d
    WHERE d.clip_id = NEW.clip_id AND CASE d.destination WHEN NEW.destination THEN OLD.state ELSE d.state END = 'proven');
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_sent AFTER INSERT ON delivery
  WHEN NEW.state = 'proven' AND EXISTS (SELECT 1 FROM clip WHERE clip_id = NEW.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d
    WHERE d.clip_id = NEW.clip_id AND d.state = 'proven' AND d.destination <> NEW.destination);
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = NEW.clip_id AND d.state = 'proven');
END;
CREATE TRIGGER evicted_at_gone AFTER DELETE ON delivery
  WHEN OLD.state = 'proven' AND EXISTS (SELECT 1 FROM clip WHERE clip_id = OLD.clip_id AND local = 'evicted' AND disposed_ms IS NULL) BEGIN
  UPDATE evicted_at SET clips = clips - 1 WHERE destinations = (SELECT json_group_array(k.destination) FROM (SELECT d.destination FROM delivery d
    WHERE d.clip_id = OLD.clip_id AND d.state = 'proven' UNION SELECT OLD.destination ORDER BY 1) k);
  INSERT INTO evicted_at SELECT k.at, 0 FROM (SELECT json_group_array(d.destination) AS at FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven') k
    WHERE NOT EXISTS (SELECT 1 FROM evicted_at e WHERE e.destinations = k.at);
  UPDATE evicted_at SET clips = clips + 1
    WHERE destinations = (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = OLD.clip_id AND d.state = 'proven');
END;

-- Clips that the media worker is to look at: sealed ones, documents excepted, of which media has no row.
CREATE TABLE probe_due (
  clip_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER probe_due_in AFTER INSERT ON clip WHEN NEW.local = 'sealed' AND NEW.role <> 'document' BEGIN
  INSERT INTO probe_due SELECT NEW.clip_id WHERE NOT EXISTS (SELECT 1 FROM probe_due WHERE clip_id = NEW.clip_id) AND NOT EXISTS (SELECT 1 FROM media WHERE clip_id = NEW.clip_id);
END;
CREATE TRIGGER probe_due_sealed AFTER UPDATE OF local, role ON clip WHEN OLD.local <> NEW.local OR OLD.role <> NEW.role BEGIN
  DELETE FROM probe_due WHERE clip_id = NEW.clip_id;
  INSERT INTO probe_due SELECT NEW.clip_id WHERE NEW.local = 'sealed' AND NEW.role <> 'document' AND NOT EXISTS (SELECT 1 FROM media WHERE clip_id = NEW.clip_id);
END;
CREATE TRIGGER probe_due_out AFTER DELETE ON clip BEGIN
  DELETE FROM probe_due WHERE clip_id = OLD.clip_id;
END;
CREATE TRIGGER probe_due_done AFTER INSERT ON media BEGIN
  DELETE FROM probe_due WHERE clip_id = NEW.clip_id;
END;
CREATE TRIGGER probe_due_again AFTER DELETE ON media BEGIN
  INSERT INTO probe_due SELECT clip_id FROM clip WHERE clip_id = OLD.clip_id AND local = 'sealed' AND role <> 'document'
    AND NOT EXISTS (SELECT 1 FROM probe_due p WHERE p.clip_id = OLD.clip_id);
END;

-- An upload session: ours, stored before the first byte, with what was acknowledged.
CREATE TABLE upload_session (
  clip_id     TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  destination TEXT NOT NULL,
  session     TEXT NOT NULL,
  begun_ms    INTEGER NOT NULL,
  completed_ms INTEGER,                              -- the object was made of its parts: there is nothing left to give up
  PRIMARY KEY (clip_id, destination)
) STRICT, WITHOUT ROWID;
CREATE TABLE upload_part (
  clip_id     TEXT NOT NULL,
  destination TEXT NOT NULL,
  n           INTEGER NOT NULL,
  begun_ms    INTEGER NOT NULL,                      -- before its first byte
  acked_ms    INTEGER,                               -- after its receipt
  tag         TEXT,
  sha256      BLOB,                                  -- what the remote says it computed
  ours BLOB,                                         -- what we said the bytes are; NULL: the sealed clip's (rows from before version 4)
  PRIMARY KEY (clip_id, destination, n),
  FOREIGN KEY (clip_id, destination) REFERENCES upload_session ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Where objects stand at destinations that choose addresses themselves and keep no keys (tus): nobody else knows.
CREATE TABLE address (
  destination TEXT NOT NULL,
  key         TEXT NOT NULL,
  url         TEXT NOT NULL,
  size_bytes  INTEGER NOT NULL,                      -- acknowledged there
  sha256      BLOB NOT NULL CHECK (length(sha256) = 32),
  readable    INTEGER NOT NULL,                      -- it gave bytes back then
  noted_ms    INTEGER NOT NULL,
  PRIMARY KEY (destination, key)
) STRICT, WITHOUT ROWID;

-- Sessions that nobody goes on with, until the remote has acknowledged that it gave them up: nobody shall pay for parts
-- of nothing. A clip's own get here whenever their row goes before they were completed, whatever the reason; those of
-- trees, which are sent whole, stand here from before their first byte until they are complete.
CREATE TABLE abandoned_session (
  abandon_id  INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  clip_id     TEXT NOT NULL,                         -- no reference: the clip may be gone as well
  object      TEXT NOT NULL CHECK (object IN ('master', 'tree')),
  session     TEXT NOT NULL,
  since_ms    INTEGER NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_ms INTEGER NOT NULL DEFAULT 0,
  error       TEXT
) STRICT;
CREATE INDEX abandoned_due ON abandoned_session (destination, next_try_ms);
CREATE TRIGGER session_given_up AFTER DELETE ON upload_session WHEN OLD.completed_ms IS NULL BEGIN
  INSERT INTO abandoned_session (destination, clip_id, object, session, since_ms) VALUES (OLD.destination, OLD.clip_id, 'master', OLD.session, OLD.begun_ms);
END;

-- Footage is held back: for one destination, or, where the name is empty, for all.
CREATE TABLE sending_pause (
  destination TEXT PRIMARY KEY,
  since_ms    INTEGER NOT NULL,
  until_ms    INTEGER,                               -- NULL: until somebody lifts it
  paused_by   TEXT NOT NULL                          -- kind:id of the actor
) STRICT, WITHOUT ROWID;

-- Small immutable objects on their way: records, case index, catalogue, checkpoints. Written in the
-- transaction that causes them, so that none is ever forgotten. Bytes are dropped once stored there.
CREATE TABLE outbox (
  outbox_id    INTEGER PRIMARY KEY,
  destination  TEXT NOT NULL,
  key          TEXT NOT NULL,
  kind         TEXT NOT NULL CHECK (kind IN ('record', 'case', 'catalogue', 'checkpoint')),
  content_type TEXT NOT NULL,
  bytes        BLOB,
  clip_id      TEXT,
  made_ms      INTEGER NOT NULL,
  stored_ms    INTEGER,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_try_ms  INTEGER NOT NULL DEFAULT 0,
  error        TEXT,
  UNIQUE (destination, key)
) STRICT;
CREATE INDEX outbox_due ON outbox (destination, next_try_ms) WHERE stored_ms IS NULL;

-- Revisions of records, exactly as published.
CREATE TABLE record_rev (
  clip_id       TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  rev           INTEGER NOT NULL,
  json          BLOB NOT NULL,
  made_ms       INTEGER NOT NULL,
  catalogue_seq INTEGER,                             -- the catalogue segment that lists it
  PRIMARY KEY (clip_id, rev)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_rev_uncatalogued ON record_rev (made_ms) WHERE catalogue_seq IS NULL;

-- Backups of this database (see domain::layout). A backup never holds its own row.
CREATE TABLE backup (
  epoch          INTEGER NOT NULL,                   -- of the log in it; numbers begin anew with each
  seq            INTEGER NOT NULL,
  made_ms        INTEGER NOT NULL,
  size_bytes     INTEGER NOT NULL,                   -- packed, as sent
  sha256         BLOB NOT NULL CHECK (length(sha256) = 32),
  database_bytes INTEGER NOT NULL,                   -- unpacked
  log_size       INTEGER NOT NULL,                   -- events in it
  note           TEXT NOT NULL,                      -- the signed note (custody::backup)
  log_key        BLOB,                               -- the encrypted log key, where the configuration asks for it
  sm2_key        BLOB,                               -- likewise the SM2 key, where there is one in use
  PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;
-- A backup at a destination. Given up: a newer one was made before it had arrived.
CREATE TABLE backup_copy (
  epoch       INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'proven', 'given_up')),
  session     TEXT,                                  -- the upload's identity there, stored before its first byte
  reason      TEXT,                                  -- of the last failure
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_ms INTEGER NOT NULL DEFAULT 0,
  proven_ms   INTEGER,                               -- read back, and the same
  PRIMARY KEY (epoch, seq, destination),
  FOREIGN KEY (epoch, seq) REFERENCES backup ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX backup_copy_waiting ON backup_copy (destination) WHERE state = 'waiting';
-- Parts of it that the destination acknowledged.
CREATE TABLE backup_part (
  epoch       INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  destination TEXT NOT NULL,
  n           INTEGER NOT NULL,
  tag         TEXT NOT NULL,
  sha256      BLOB,
  PRIMARY KEY (epoch, seq, destination, n),
  FOREIGN KEY (epoch, seq, destination) REFERENCES backup_copy ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Restores that this database went through, by the epoch that each opened.
CREATE TABLE restore (
  epoch            INTEGER PRIMARY KEY,
  from_destination TEXT NOT NULL,
  backup_epoch     INTEGER,                          -- NULL: there was none, or none was to be used
  backup_seq       INTEGER,
  begun_ms         INTEGER NOT NULL,
  finished_ms      INTEGER,
  told             TEXT NOT NULL DEFAULT '{}'        -- JSON: what it found and lost, as it was told
) STRICT;

-- Holds (暂停销毁) as they were ordered: on one clip, or on a case with every clip that is or will be linked to it. One
-- person asks for the release, another one carries it out.
CREATE TABLE hold_order (
  order_id    INTEGER PRIMARY KEY,
  clip_id     TEXT REFERENCES clip,
  case_id     INTEGER REFERENCES case_file,
  reason      TEXT NOT NULL,
  placed_by   TEXT NOT NULL,                         -- kind:id of the actor
  placed_ms   INTEGER NOT NULL,
  asked_by    TEXT,                                  -- who asked for the release, why and when
  asked_why   TEXT,
  asked_ms    INTEGER,
  released_by TEXT,
  released_ms INTEGER,
  basis TEXT,                                        -- on what basis: a review, a lawsuit, a letter
  CHECK ((clip_id IS NULL) <> (case_id IS NULL)),
  CHECK ((released_by IS NULL) = (released_ms IS NULL)),
  CHECK (released_by IS NULL OR (asked_by IS NOT NULL AND released_by <> asked_by))
) STRICT;
CREATE INDEX hold_order_case ON hold_order (case_id) WHERE released_ms IS NULL;

-- What of it stands on each clip.
CREATE TABLE hold (
  hold_id     INTEGER PRIMARY KEY,
  clip_id     TEXT NOT NULL REFERENCES clip,
  reason      TEXT NOT NULL,
  placed_ms   INTEGER NOT NULL,
  released_ms INTEGER,
  order_id INTEGER REFERENCES hold_order
) STRICT;
CREATE INDEX hold_standing ON hold (clip_id) WHERE released_ms IS NULL;
CREATE INDEX hold_of_order ON hold (order_id, clip_id);

-- Suspected classified (疑似涉密). The newest row of a clip counts; while none of it is lifted, clip.isolated_ms is set.
CREATE TABLE isolation (
  isolation_id INTEGER PRIMARY KEY,
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  reason     TEXT NOT NULL,
  placed_by  TEXT NOT NULL,                          -- kind:id of the actor
  placed_ms  INTEGER NOT NULL,
  asked_by   TEXT,                                   -- who asked to lift it, why and when
  asked_why  TEXT,
  asked_ms   INTEGER,
  lifted_by  TEXT,
  lifted_ms  INTEGER,
  CHECK ((lifted_by IS NULL) = (lifted_ms IS NULL)),
  CHECK (lifted_by IS NULL OR (asked_by IS NOT NULL AND lifted_by <> asked_by))
) STRICT;
CREATE UNIQUE INDEX isolation_standing ON isolation (clip_id) WHERE lifted_ms IS NULL;

-- Filing of cases (归档): 结案 (closed), 立卷 (bound), 归档 (filed). One row a round; re-opening ends it. Once filed a case
-- takes no changes before two people re-open it.
CREATE TABLE filing (
  filing_id     INTEGER PRIMARY KEY,
  case_id       INTEGER NOT NULL REFERENCES case_file,
  closed_by     TEXT NOT NULL,                       -- kind:id of the actor, as are the others
  closed_ms     INTEGER NOT NULL,
  bound_by      TEXT,
  bound_ms      INTEGER,
  fonds_no      TEXT,                                -- 全宗号
  year          INTEGER,                             -- 年度
  archival_code TEXT,                                -- 档号
  title         TEXT,                                -- 题名
  term          TEXT,                                -- 保管期限 of the case file, as typed (domain::filing::Term)
  filed_by      TEXT,                                -- the archivist who signed it off
  filed_ms      INTEGER,
  opinion       TEXT,                                -- 检查意见
  report        TEXT,                                -- JSON: what the check (四性检测) found then
  asked_by      TEXT,                                -- who asked to re-open it, why and when
  asked_why     TEXT,
  asked_ms      INTEGER,
  reopened_by   TEXT,
  reopened_ms   INTEGER,
  CHECK ((bound_ms IS NULL) = (bound_by IS NULL) AND (bound_ms IS NULL OR (fonds_no IS NOT NULL AND year IS NOT NULL AND archival_code IS NOT NULL AND term IS NOT NULL))),
  CHECK ((filed_ms IS NULL) = (filed_by IS NULL) AND (filed_ms IS NULL OR (bound_ms IS NOT NULL AND opinion IS NOT NULL AND report IS NOT NULL))),
  CHECK ((reopened_ms IS NULL) = (reopened_by IS NULL)),
  CHECK (reopened_ms IS NULL OR filed_ms IS NULL OR (asked_by IS NOT NULL AND reopened_by <> asked_by))
) STRICT;
CREATE UNIQUE INDEX filing_standing ON filing (case_id) WHERE reopened_ms IS NULL;
CREATE UNIQUE INDEX filing_code ON filing (fonds_no, archival_code) WHERE reopened_ms IS NULL AND archival_code IS NOT NULL;
-- Until when each clip of a filed case is kept, counted from its filing by the catalogue.
CREATE TABLE filing_clip (
  filing_id     INTEGER NOT NULL REFERENCES filing,
  clip_id       TEXT NOT NULL REFERENCES clip,
  keep_until_ms INTEGER,                             -- NULL: for ever (永久)
  basis         TEXT NOT NULL,                       -- the item of the catalogue, or the case file's term
  PRIMARY KEY (filing_id, clip_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX filing_clip_clip ON filing_clip (clip_id);
CREATE INDEX filing_clip_until ON filing_clip (keep_until_ms) WHERE keep_until_ms IS NOT NULL;
-- The filing check compares the data of each clip (真实): when it began, in each round of filing. The newest beginning counts.
CREATE TABLE filing_check (
  filing_id INTEGER PRIMARY KEY REFERENCES filing,
  begun_by  TEXT NOT NULL,                           -- kind:id of the actor
  begun_ms  INTEGER NOT NULL
) STRICT;
-- How a clip was compared for it: the words of evidock verify about its file, its sealing in the log and its record, and the
-- newest comparison of a copy elsewhere.
CREATE TABLE filing_compared (
  filing_id INTEGER NOT NULL REFERENCES filing,
  clip_id   TEXT NOT NULL REFERENCES clip,
  at_ms     INTEGER NOT NULL,
  outcome   TEXT NOT NULL CHECK (outcome IN ('same', 'differs', 'unreached')),
  local     TEXT NOT NULL,
  log       TEXT NOT NULL,
  record    TEXT NOT NULL,
  cloud     TEXT,                                    -- the destination, how it was compared there, and when
  cloud_how TEXT,
  cloud_ms  INTEGER,
  detail    TEXT,                                    -- what is wrong, in words
  PRIMARY KEY (filing_id, clip_id),
  CHECK ((cloud IS NULL) = (cloud_ms IS NULL) AND (cloud IS NULL) = (cloud_how IS NULL))
) STRICT, WITHOUT ROWID;
-- The entry of the log that tells the digest of the report that was signed. Rounds that were filed earlier have none.
CREATE TABLE filing_signed (
  filing_id INTEGER PRIMARY KEY REFERENCES filing,
  seq       INTEGER NOT NULL
) STRICT;

-- Disposal after appraisal (鉴定销毁): a list that one person proposes and another one confirms. The rows are the record
-- of what was destroyed (销毁清册) and stay.
CREATE TABLE disposal (
  disposal_id INTEGER PRIMARY KEY,
  opinion     TEXT NOT NULL,                         -- 鉴定意见
  basis       TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'going', 'done')),
  asked_by    TEXT NOT NULL,                         -- kind:id of the actor
  asked_ms    INTEGER NOT NULL,
  second_by   TEXT,
  second_ms   INTEGER,
  ended_ms    INTEGER,
  CHECK ((second_by IS NULL) = (second_ms IS NULL)),
  CHECK (state IN ('asked', 'refused') OR (second_by IS NOT NULL AND second_by <> asked_by))
) STRICT;
CREATE INDEX disposal_open ON disposal (state) WHERE state IN ('asked', 'going');
-- A clip of it. Going: what says so is stored and logged, and its file may still stand.
CREATE TABLE disposal_item (
  disposal_id INTEGER NOT NULL REFERENCES disposal,
  clip_id     TEXT NOT NULL REFERENCES clip,
  over_ms     INTEGER NOT NULL,                      -- when its retention was over
  state       TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'kept', 'going', 'gone')),
  why         TEXT,                                  -- of what was kept after all: code of domain::disposal::Stay
  intent_seq  INTEGER,                               -- position in the log of the event that says that it goes
  gone_ms     INTEGER,
  gone_seq    INTEGER,                               -- and of the one that says that it is gone
  PRIMARY KEY (disposal_id, clip_id),
  CHECK (state NOT IN ('going', 'gone') OR intent_seq IS NOT NULL),
  CHECK ((state = 'gone') = (gone_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX disposal_item_once ON disposal_item (clip_id) WHERE state IN ('asked', 'going', 'gone');
CREATE INDEX disposal_item_going ON disposal_item (state) WHERE state IN ('asked', 'going');
-- What became of its copies at destinations.
CREATE TABLE disposal_copy (
  clip_id     TEXT NOT NULL REFERENCES clip,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('stands', 'removed')),
  until_ms    INTEGER,                               -- its lock there ends then; NULL: nothing locks it
  why         TEXT NOT NULL,                         -- 'locked', 'held', 'not_configured', 'cannot', 'refused'
  at_ms       INTEGER NOT NULL,                      -- when that was so
  PRIMARY KEY (clip_id, destination)
) STRICT, WITHOUT ROWID;

-- People who sign in. Rows stay: the log tells of accounts by their number.
CREATE TABLE account (
  account_id    INTEGER PRIMARY KEY,
  login         TEXT NOT NULL UNIQUE,                -- domain::account::LoginName
  label         TEXT NOT NULL DEFAULT '',            -- name for people
  roles         TEXT NOT NULL,                       -- words of domain::rights::Role, separated by commas
  unit          TEXT,                                -- what a head of department sees
  until_ms      INTEGER,                             -- nobody signs in after it: access of outside reviewers
  password      TEXT NOT NULL,                       -- argon2id, in the PHC string form
  must_change   INTEGER NOT NULL DEFAULT 1 CHECK (must_change IN (0, 1)),  -- somebody else knows it
  totp          BLOB,                                -- secret of one-time codes (RFC 6238), where they are on
  totp_step     INTEGER NOT NULL DEFAULT 0,          -- no code of this time step or an earlier one is taken again
  failures      INTEGER NOT NULL DEFAULT 0,          -- wrong passwords in a row
  locked_ms     INTEGER NOT NULL DEFAULT 0,          -- no password is looked at before
  disabled_ms   INTEGER,
  made_by       TEXT NOT NULL,                       -- kind:id of the actor
  made_ms       INTEGER NOT NULL
) STRICT;
-- Names and numbers under which a person stands in records as officer.
CREATE TABLE account_officer (
  account_id INTEGER NOT NULL REFERENCES account,
  officer    TEXT NOT NULL,
  PRIMARY KEY (account_id, officer)
) STRICT, WITHOUT ROWID;
-- By what else than a password people sign in (domain::identity), as the security administrator bound it.
CREATE TABLE account_identity (
  kind       TEXT NOT NULL CHECK (kind IN ('oidc', 'certificate')),
  issuer     TEXT NOT NULL,                          -- the identity provider; '' for certificates
  subject    TEXT NOT NULL,                          -- who there; SHA-256 of the certificate, hexadecimal
  account_id INTEGER NOT NULL REFERENCES account,
  PRIMARY KEY (kind, issuer, subject),
  CHECK ((issuer = '') = (kind = 'certificate'))
) STRICT, WITHOUT ROWID;
CREATE INDEX account_identity_account ON account_identity (account_id);
-- Sessions. The cookie's token is nowhere; its SHA-256 is here.
CREATE TABLE sign_in (
  session_id TEXT PRIMARY KEY,                       -- what the log tells
  token      BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
  account_id INTEGER NOT NULL REFERENCES account,
  begun_ms   INTEGER NOT NULL,
  seen_ms    INTEGER NOT NULL,                       -- to the minute
  from_where TEXT NOT NULL,                          -- address
  agent      TEXT NOT NULL,                          -- the browser in its own words, cut and escaped
  ended_ms   INTEGER,
  ended      TEXT CHECK (ended IN ('signed_out', 'idle', 'too_long', 'ended', 'password', 'disabled')),
  by_what TEXT NOT NULL DEFAULT 'password' CHECK (by_what IN ('password', 'oidc', 'certificate')),  -- domain::identity::SignInBy
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX sign_in_open ON sign_in (account_id) WHERE ended IS NULL;
-- Tokens of programs that use the API. The token itself is told once; its SHA-256 is here.
CREATE TABLE token (
  token_id INTEGER PRIMARY KEY,
  secret   BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
  name     TEXT NOT NULL,
  role     TEXT NOT NULL,                            -- word of domain::rights::Role
  scopes   TEXT NOT NULL,                            -- words of domain::rights::Action, separated by commas; '' is all of the role's
  until_ms INTEGER NOT NULL,
  seen_ms  INTEGER,                                  -- to the minute
  made_by  TEXT NOT NULL,                            -- kind:id of the actor
  made_ms  INTEGER NOT NULL,
  ended_ms INTEGER
) STRICT;
-- Keys under which programs asked for changes (Idempotency-Key), and how each was answered: for a day, so that a change asked for
-- again after a broken line or a restart is not made again. Noted before the change begins: what is under way and of no run
-- that goes on may have been made or not.
CREATE TABLE repeat (
  actor     TEXT NOT NULL,                           -- kind:id, whose key it is
  word      TEXT NOT NULL,                           -- the key
  asked     BLOB NOT NULL CHECK (length(asked) = 32), -- SHA-256 of method, address and body
  what      TEXT NOT NULL,                           -- method and path
  begun_ms  INTEGER NOT NULL,
  state     TEXT NOT NULL CHECK (state IN ('under_way', 'answered', 'told_once')), -- told_once: the answer had a secret, and is kept nowhere
  status    INTEGER,                                 -- of the answer
  kind      TEXT,                                    -- its media type
  location  TEXT,
  body      BLOB,
  PRIMARY KEY (actor, word),
  CHECK ((state = 'answered') = (status IS NOT NULL AND body IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX repeat_begun ON repeat (begun_ms);
-- Cases that stand sent to the legal reviewers (法制审核), to one account or to all of them.
CREATE TABLE review (
  review_id  INTEGER PRIMARY KEY,
  case_id    INTEGER NOT NULL REFERENCES case_file,
  account_id INTEGER REFERENCES account,
  until_ms   INTEGER,
  sent_by    TEXT NOT NULL,                          -- kind:id of the actor
  sent_ms    INTEGER NOT NULL,
  ended_by   TEXT,
  ended_ms   INTEGER,
  CHECK ((ended_by IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX review_open ON review (case_id) WHERE ended_ms IS NULL;

-- What statistics count, one row a recording that is sealed: derived from clip, its index, links and deliveries, and
-- rewritten with each change of them, so that a report reads one index and no report disagrees with the list that it opens.
CREATE TABLE clip_report (
  clip_id      TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  captured_ms  INTEGER,                              -- when capture began; NULL: in no period
  officer      TEXT,
  kind         TEXT,                                 -- kind of enforcement: the record's, else that of its first case
  care         INTEGER,                              -- as in clip_index
  isolated_ms  INTEGER,                              -- as in clip
  duration_ms  INTEGER NOT NULL,                     -- 0 until the media worker has looked
  bytes        INTEGER NOT NULL,                     -- of its own: 0 where another clip has the same bytes
  sealed_ms    INTEGER NOT NULL,
  completed_ms INTEGER,                              -- since when its five facts are there
  proven_ms    INTEGER,                              -- since when it is proven at every required destination
  complete     TEXT NOT NULL CHECK (complete IN ('no', 'at_once', 'chased')),
  linked       TEXT NOT NULL CHECK (linked IN ('no', 'early', 'rule', 'hand')),  -- early: to what there was before a case, and to no case
  proven       TEXT NOT NULL CHECK (proven IN ('no', 'in_time', 'late')),
  loose_ms     INTEGER,                              -- since when no case has it: it was sealed, or taken from its last case; NULL: one has it, or it was disposed of
  keep_ms      INTEGER                               -- until when the filed cases keep it that have it; NULL: none, for ever, or it was disposed of
) STRICT, WITHOUT ROWID;
CREATE INDEX clip_report_captured ON clip_report (captured_ms, officer, kind, complete, linked, proven, duration_ms, bytes, care, isolated_ms);
CREATE INDEX clip_report_sealed ON clip_report (sealed_ms, officer, bytes, care, isolated_ms);
CREATE INDEX clip_report_officer ON clip_report (officer);
CREATE INDEX clip_report_early ON clip_report (clip_id, officer, care, isolated_ms) WHERE linked = 'early';
CREATE INDEX clip_report_early_of ON clip_report (officer, care, isolated_ms) WHERE linked = 'early';
CREATE INDEX clip_report_loose ON clip_report (loose_ms, clip_id) WHERE loose_ms IS NOT NULL AND proven_ms IS NOT NULL AND isolated_ms IS NULL;
CREATE INDEX clip_report_keep ON clip_report (keep_ms, clip_id) WHERE keep_ms IS NOT NULL AND proven_ms IS NOT NULL AND isolated_ms IS NULL;
CREATE TRIGGER tally_early_in AFTER INSERT ON clip_report WHEN NEW.linked = 'early' AND NEW.isolated_ms IS NULL BEGIN
  UPDATE tally SET n = n + 1 WHERE what = 'early ' || coalesce(NEW.care, 4);
END;
CREATE TRIGGER tally_early_out AFTER DELETE ON clip_report WHEN OLD.linked = 'early' AND OLD.isolated_ms IS NULL BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'early ' || coalesce(OLD.care, 4);
END;
CREATE TRIGGER tally_early_moved AFTER UPDATE OF linked, care, isolated_ms ON clip_report
  WHEN OLD.linked <> NEW.linked OR OLD.care IS NOT NEW.care OR OLD.isolated_ms IS NOT NEW.isolated_ms BEGIN
  UPDATE tally SET n = n - 1 WHERE what = 'early ' || coalesce(OLD.care, 4) AND OLD.linked = 'early' AND OLD.isolated_ms IS NULL;
  UPDATE tally SET n = n + 1 WHERE what = 'early ' || coalesce(NEW.care, 4) AND NEW.linked = 'early' AND NEW.isolated_ms IS NULL;
END;
CREATE INDEX issue_due ON issue (due_ms) WHERE due_ms IS NOT NULL;

-- Random samples (随机抽查) as they were drawn; how is told in domain::supervision. One row a month and unit.
CREATE TABLE sample (
  sample_id   INTEGER PRIMARY KEY,
  period      TEXT NOT NULL,                         -- word of domain::report::Period
  unit        TEXT NOT NULL,                         -- '': clips of officers of whom nobody knows the unit
  wanted      INTEGER NOT NULL CHECK (wanted > 0),
  population  TEXT NOT NULL,                         -- ids of the clips among which was drawn, ascending, one a line
  population_sha256 BLOB NOT NULL CHECK (length(population_sha256) = 32),
  checklist   TEXT NOT NULL,                         -- JSON: the points that are checked, as they were then
  asked_seq   INTEGER NOT NULL,                      -- the event of the request
  epoch       INTEGER,                               -- the checkpoint over it, from which the seed follows
  size        INTEGER,
  root        BLOB CHECK (length(root) = 32),
  drawn_by    TEXT NOT NULL,                         -- kind:id of the actor
  drawn_ms    INTEGER NOT NULL,
  CHECK ((root IS NULL) = (size IS NULL) AND (root IS NULL) = (epoch IS NULL))
) STRICT;
CREATE TABLE sample_clip (
  sample_id INTEGER NOT NULL REFERENCES sample,
  n         INTEGER NOT NULL,                        -- in the order of the draw, from 1
  clip_id   TEXT NOT NULL,                           -- no reference: what was drawn stays so
  PRIMARY KEY (sample_id, n)
) STRICT, WITHOUT ROWID;
-- What was said about a drawn clip, in order: judged, answered by its unit, returned, closed. Nothing is un-said.
CREATE TABLE sample_step (
  step_id   INTEGER PRIMARY KEY,
  sample_id INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  step      TEXT NOT NULL CHECK (step IN ('judged', 'answered', 'returned', 'closed')),
  points    TEXT NOT NULL DEFAULT '[]',              -- JSON: words of domain::supervision::Point by the place in the checklist
  words     TEXT NOT NULL,
  due_ms    INTEGER,                                 -- until when it is to be put right
  actor     TEXT NOT NULL,                           -- kind:id
  at_ms     INTEGER NOT NULL,
  FOREIGN KEY (sample_id, n) REFERENCES sample_clip
) STRICT;
CREATE INDEX sample_step_of ON sample_step (sample_id, n);

-- Legal review (法制审核) of a case: notes at a second of a clip, opinions and review sheets (案卷评查). The newest opinion
-- and the newest sheet of a person count; earlier ones stay.
CREATE TABLE review_note (
  note_id      INTEGER PRIMARY KEY,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  clip_id      TEXT NOT NULL REFERENCES clip,
  at_ms        INTEGER NOT NULL CHECK (at_ms >= 0),  -- from the clip's first frame
  words        TEXT NOT NULL,
  actor        TEXT NOT NULL,                        -- kind:id
  noted_ms     INTEGER NOT NULL,
  withdrawn_by TEXT,
  withdrawn_ms INTEGER,
  CHECK ((withdrawn_by IS NULL) = (withdrawn_ms IS NULL))
) STRICT;
CREATE INDEX review_note_case ON review_note (case_id);
CREATE TABLE review_opinion (
  opinion_id INTEGER PRIMARY KEY,
  case_id    INTEGER NOT NULL REFERENCES case_file,
  verdict    TEXT NOT NULL CHECK (verdict IN ('agree', 'supplement', 'return')),
  words      TEXT NOT NULL,
  coverage   TEXT NOT NULL,                          -- JSON: how many items of the catalogue stood how when it was given
  actor      TEXT NOT NULL,                          -- kind:id
  given_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX review_opinion_case ON review_opinion (case_id);
CREATE TABLE case_sheet (
  sheet_id INTEGER PRIMARY KEY,
  case_id  INTEGER NOT NULL REFERENCES case_file,
  marks    TEXT NOT NULL,                            -- JSON: item, points that it may bring, points, remark
  actor    TEXT NOT NULL,                            -- kind:id
  made_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX case_sheet_case ON case_sheet (case_id);

-- The custody log: stored bytes are what is hashed (domain::event, domain::merkle).
CREATE TABLE log_entry (
  seq     INTEGER PRIMARY KEY,
  bytes   BLOB NOT NULL,
  kind    TEXT NOT NULL,                             -- copies of what the bytes say, for queries only
  wall_ms INTEGER NOT NULL,
  clip_id TEXT,
  case_hash TEXT
) STRICT;
CREATE INDEX log_by_clip ON log_entry (clip_id) WHERE clip_id IS NOT NULL;
CREATE INDEX log_by_case ON log_entry (case_hash) WHERE case_hash IS NOT NULL;
-- Which keys signed when: few among millions, and part of every package.
CREATE INDEX log_of_keys ON log_entry (seq) WHERE kind IN ('epoch.opened', 'log.key');
CREATE INDEX log_of_protection ON log_entry (seq) WHERE kind = 'log.key_protection';
CREATE INDEX log_of_sm2_key ON log_entry (seq) WHERE kind = 'log.sm2_key';
-- Complete subtrees of the RFC 6962 tree.
CREATE TABLE log_node (
  level INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  hash  BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
-- Values that events only commit to, with the key that opens each. This table can be emptied.
CREATE TABLE log_secret (
  seq   INTEGER NOT NULL REFERENCES log_entry,
  field TEXT NOT NULL,
  key   BLOB NOT NULL CHECK (length(key) = 32),
  value TEXT NOT NULL,
  PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;
-- Signed checkpoints; their anchors are the outbox rows of kind 'checkpoint'.
CREATE TABLE checkpoint (
  checkpoint_id INTEGER PRIMARY KEY,
  epoch   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  root    BLOB NOT NULL CHECK (length(root) = 32),
  note    TEXT NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT;

-- Signatures of witnesses on our checkpoints; of one size the newest, since an idle log is signed again and again.
CREATE TABLE cosignature (
  epoch   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  witness TEXT NOT NULL,                             -- its name in the configuration
  line    TEXT NOT NULL,                             -- as it stands below the note
  made_s  INTEGER NOT NULL,                          -- the time that the witness signed, seconds since the Unix epoch
  PRIMARY KEY (epoch, size, witness)
) STRICT, WITHOUT ROWID;
-- Logs of other stations for which this one is the witness: the newest checkpoint that was signed here. It never goes
-- back, or this station would have signed two histories.
CREATE TABLE witnessed (
  origin TEXT PRIMARY KEY,
  size   INTEGER NOT NULL,
  root   BLOB NOT NULL CHECK (length(root) = 32),
  note   TEXT NOT NULL,
  at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER witnessed_goes_on BEFORE UPDATE ON witnessed WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
  BEGIN SELECT RAISE(ABORT, 'a log that was witnessed never goes back'); END;
CREATE TRIGGER witnessed_kept BEFORE DELETE ON witnessed BEGIN SELECT RAISE(ABORT, 'what was witnessed is never forgotten'); END;
-- What this station noticed of those logs: since when it knows each (0: from before that was noted), and the last checkpoint
-- that its log had signed and that contradicts what was signed here. It is kept whole: beside what stands above it shows
-- that its log has two histories.
CREATE TABLE watched (
  origin     TEXT PRIMARY KEY,
  first_ms   INTEGER NOT NULL,
  refused_ms INTEGER,
  refused    TEXT,                                   -- why, in words
  note       TEXT,
  CHECK ((refused_ms IS NULL) = (refused IS NULL) AND (refused_ms IS NULL) = (note IS NULL))
) STRICT, WITHOUT ROWID;
-- RFC 3161 timestamps on our tree heads.
CREATE TABLE timestamp (
  timestamp_id INTEGER PRIMARY KEY,
  epoch  INTEGER NOT NULL,
  size   INTEGER NOT NULL,
  text   TEXT NOT NULL,                              -- what was stamped: the text of the checkpoint, without signatures
  reply  BLOB NOT NULL,                              -- the authority's answer, whole, for `openssl ts -verify`
  said_ms INTEGER NOT NULL,                          -- the time in it
  got_ms INTEGER NOT NULL
) STRICT;
-- How much of the log stands at each destination as tiles and bundles of entries.
CREATE TABLE tiles_at (
  destination TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  size  INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Evidence packages that were asked for on the page or through the API, and how far each is. What stands in one is written
-- beside it on disk (`command::export::plan`); events of the log tell the rest.
CREATE TABLE export (
  package    TEXT PRIMARY KEY,                       -- a UUIDv7; of several discs the part that they share
  case_id    INTEGER NOT NULL REFERENCES case_file,
  case_no    TEXT NOT NULL,                          -- as it was asked for, in its agreed form
  reason     TEXT NOT NULL,
  basis      TEXT NOT NULL,
  recipient  TEXT,
  lang       TEXT NOT NULL,                          -- 'zh-CN' or 'en': of the package's pages
  target     TEXT NOT NULL,                          -- 'station', 'browser', or 'at:' and the name of a destination
  disc_bytes INTEGER,                                -- divided among discs of this size
  asked_by   TEXT NOT NULL,                          -- `kind:id`, as in the log
  via        TEXT NOT NULL CHECK (via IN ('web', 'api', 'cli')),
  from_where TEXT NOT NULL,
  asked_ms   INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'making', 'failed', 'ready')),
  second_by  TEXT,                                   -- who confirmed or refused it
  second_ms  INTEGER,
  words      TEXT,                                   -- why it waits or failed
  discs      INTEGER,                                -- packages that it came to
  clips      INTEGER,
  bytes      INTEGER,                                -- of the clips
  ended_ms   INTEGER,
  derived    INTEGER NOT NULL DEFAULT 0 CHECK (derived IN (0, 1)), -- with the files that were derived of its clips
  CHECK ((second_by IS NULL) = (second_ms IS NULL)),
  CHECK (state <> 'ready' OR (discs > 0 AND clips IS NOT NULL AND bytes IS NOT NULL AND ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX export_open ON export (asked_ms) WHERE state IN ('asked', 'making');
CREATE INDEX export_case ON export (case_id, asked_ms);

-- Alarms as they rose and ended, each code about each thing once while it stands (domain::notice decides). What is derived
-- from facts now is shown beside it: a row is here so that a restart tells nothing again and a flapping fault tells once.
CREATE TABLE alarm (
  alarm_id  INTEGER PRIMARY KEY,
  code      TEXT NOT NULL,                           -- word of domain::alarm
  about     TEXT NOT NULL,                           -- destination, bay, recorder, part; '' is the station
  severity  TEXT NOT NULL CHECK (severity IN ('bad', 'warn', 'info')),
  words     TEXT NOT NULL,                           -- JSON by language: title, action; without names of persons and cases
  risen_ms  INTEGER NOT NULL,
  words_ms  INTEGER NOT NULL,                        -- when `words` were made
  calm_ms   INTEGER,                                 -- since when it does not hold; it ends once that has lasted
  told_ms   INTEGER,                                 -- told last; NULL: not yet
  acked_by  TEXT,                                    -- kind:id of whoever said that they know
  acked_ms  INTEGER,
  ended_ms  INTEGER,
  CHECK ((acked_by IS NULL) = (acked_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX alarm_standing ON alarm (code, about) WHERE ended_ms IS NULL;
CREATE INDEX alarm_ended ON alarm (ended_ms) WHERE ended_ms IS NOT NULL;

-- What others are told: alarms by webhook and e-mail, events by webhook. Stored in the transaction of what it tells, so
-- that it is told at least once, under the same id in every try.
CREATE TABLE message (
  message_id INTEGER PRIMARY KEY,
  receiver   TEXT NOT NULL,                          -- 'alarm:NAME', 'mail' or 'data:NAME', as configured
  id         TEXT NOT NULL,                          -- to the receiver: by it a second arrival is known
  kind       TEXT NOT NULL,                          -- 'alarm.raised', 'clip.sealed' ...
  body       TEXT NOT NULL,                          -- JSON, as it is sent and signed
  made_ms    INTEGER NOT NULL,
  due_ms     INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  words      TEXT,                                   -- why the last try failed
  ended_ms   INTEGER,
  ended      TEXT CHECK (ended IN ('taken', 'given_up', 'dropped')),
  UNIQUE (receiver, id),
  CHECK ((ended IS NULL) = (ended_ms IS NULL))
) STRICT;
CREATE INDEX message_due ON message (receiver, due_ms) WHERE ended_ms IS NULL;
CREATE INDEX message_ended ON message (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX message_fate ON message (receiver, ended, ended_ms) WHERE ended_ms IS NOT NULL;
-- Up to where the log was read: for each receiver of events, and for each file of the exchange. Of a later epoch all is new.
CREATE TABLE log_reader (
  reader   TEXT PRIMARY KEY,                         -- 'data:NAME' or 'out:NAME'
  epoch    INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Files of the front-end machine that were imported, with the import in one transaction. Until `moved_ms` is set the file
-- may still lie where it was dropped; it is then moved and not imported again.
CREATE TABLE exchange_in (
  exchange_id INTEGER PRIMARY KEY,
  name      TEXT NOT NULL,
  sha256    BLOB NOT NULL CHECK (length(sha256) = 32),
  import_id INTEGER REFERENCES register_import,      -- NULL: it changed nothing
  at_ms     INTEGER NOT NULL,
  moved_ms  INTEGER
) STRICT;
CREATE INDEX exchange_unmoved ON exchange_in (name) WHERE moved_ms IS NULL;
-- Documents (文书) beside the clips of a case. Each is a clip of role 'document': so it is sealed, sent, proven, held,
-- isolated, audited, exported and restored like one; here is what only documents have.
CREATE TABLE document (
  clip_id    TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  kind       TEXT NOT NULL CHECK (kind IN ('record', 'evidence', 'approval', 'notice', 'decision', 'service', 'other')),
  media_type TEXT NOT NULL,                         -- by its own first bytes (domain::document), never by its name
  filed_by   TEXT NOT NULL,                         -- kind:id of the actor
  filed_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What clips are found by, as tokens (domain::search), and the index over it. Derived; a rebuild makes it anew. Rows of
-- clips that are gone go with the next transaction: a broken index must keep no clip from changing.
CREATE TABLE search_text (
  doc_id  INTEGER PRIMARY KEY,
  clip_id TEXT NOT NULL UNIQUE,
  numbers TEXT NOT NULL,                             -- of cases, recorders, people, and ends of long ones
  people  TEXT NOT NULL,                             -- officers and parties
  place   TEXT NOT NULL,
  words   TEXT NOT NULL                              -- all else that people wrote, names of files, and when it was captured
) STRICT;
CREATE VIRTUAL TABLE search_index USING fts5 (numbers, people, place, words, content = 'search_text', content_rowid = 'doc_id', tokenize = 'ascii');
CREATE TRIGGER search_text_in AFTER INSERT ON search_text BEGIN
  INSERT INTO search_index (rowid, numbers, people, place, words) VALUES (NEW.doc_id, NEW.numbers, NEW.people, NEW.place, NEW.words);
END;
CREATE TRIGGER search_text_out AFTER DELETE ON search_text BEGIN
  INSERT INTO search_index (search_index, rowid, numbers, people, place, words) VALUES ('delete', OLD.doc_id, OLD.numbers, OLD.people, OLD.place, OLD.words);
END;
CREATE TRIGGER search_text_changed AFTER UPDATE ON search_text BEGIN
  INSERT INTO search_index (search_index, rowid, numbers, people, place, words) VALUES ('delete', OLD.doc_id, OLD.numbers, OLD.people, OLD.place, OLD.words);
  INSERT INTO search_index (rowid, numbers, people, place, words) VALUES (NEW.doc_id, NEW.numbers, NEW.people, NEW.place, NEW.words);
END;
-- Clips whose text changed in this transaction and is written at its end, or soon after where one change touched many.
CREATE TABLE search_due (
  clip_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER search_due_clip AFTER INSERT ON clip BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_gone AFTER DELETE ON clip BEGIN
  INSERT INTO search_due VALUES (OLD.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_fact AFTER INSERT ON fact BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_settled AFTER UPDATE ON clip_index
  WHEN NEW.captured_start_ms IS NOT OLD.captured_start_ms OR NEW.officer IS NOT OLD.officer OR NEW.place IS NOT OLD.place BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_link AFTER INSERT ON case_link BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_moved AFTER UPDATE ON case_link BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_alias AFTER INSERT ON case_alias BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id = NEW.case_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_alias_moved AFTER UPDATE OF case_id ON case_alias BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id IN (OLD.case_id, NEW.case_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_alias_gone AFTER DELETE ON case_alias BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id = OLD.case_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_entry AFTER INSERT ON register_entry WHEN NEW.case_id IS NOT NULL BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id = NEW.case_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_entry_changed AFTER UPDATE OF entry, case_id ON register_entry WHEN NEW.case_id IS NOT NULL BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id IN (OLD.case_id, NEW.case_id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_entry_gone AFTER DELETE ON register_entry WHEN OLD.case_id IS NOT NULL BEGIN
  INSERT INTO search_due SELECT DISTINCT clip_id FROM case_link WHERE case_id = OLD.case_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_due_document AFTER INSERT ON document BEGIN
  INSERT INTO search_due VALUES (NEW.clip_id) ON CONFLICT DO NOTHING;
END;
-- Files that were derived of a clip because somebody asked for them: one picture, a stretch, a copy with a watermark. The file
-- stands under its id in [derived] dir, never in the vault; the row stays when its time is over. Never evidence.
CREATE TABLE derivative (
  derived_id    TEXT PRIMARY KEY,                    -- a UUIDv7
  clip_id       TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  kind          TEXT NOT NULL CHECK (kind IN ('frame', 'trim', 'watermark')),
  png           INTEGER NOT NULL CHECK (png IN (0, 1)),
  exact         INTEGER NOT NULL CHECK (exact IN (0, 1)), -- encoded again, to the picture; else from key frame to key frame
  asked_from_ms INTEGER NOT NULL,                    -- milliseconds of the clip
  asked_to_ms   INTEGER,                             -- NULL: one moment, or to the end
  reason        TEXT NOT NULL,
  mark          TEXT,                                -- words over the picture
  asked_by      TEXT NOT NULL,                       -- `kind:id`, as in the log
  via           TEXT NOT NULL CHECK (via IN ('web', 'api', 'cli')),
  from_where    TEXT NOT NULL,
  asked_ms      INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('making', 'failed', 'ready', 'gone')),
  words         TEXT,                                -- why it failed
  form          TEXT CHECK (form IN ('jpg', 'png', 'mp4', 'mkv', 'webm')),
  method        TEXT CHECK (method IN ('decoded', 'copied', 'encoded')),
  from_ms       INTEGER,                             -- what it really shows, milliseconds of the clip
  to_ms         INTEGER,
  size_bytes    INTEGER,
  blake3        BLOB CHECK (length(blake3) = 32),
  sha256        BLOB CHECK (length(sha256) = 32),
  parent_blake3 BLOB CHECK (length(parent_blake3) = 32), -- of the clip when it was made: the sealed ones
  parent_sha256 BLOB CHECK (length(parent_sha256) = 32),
  tool          TEXT,                                -- what made it, with versions
  ended_ms      INTEGER,
  CHECK (state NOT IN ('ready', 'gone') OR (form IS NOT NULL AND method IS NOT NULL AND from_ms IS NOT NULL AND to_ms IS NOT NULL
    AND size_bytes IS NOT NULL AND blake3 IS NOT NULL AND sha256 IS NOT NULL AND parent_blake3 IS NOT NULL
    AND parent_sha256 IS NOT NULL AND tool IS NOT NULL AND ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX derivative_clip ON derivative (clip_id, asked_ms);
CREATE INDEX derivative_due ON derivative (asked_ms) WHERE state = 'making';

-- These stop accidents only; whoever owns the file can drop them. The tree and its anchors are what tells.
CREATE TRIGGER log_entry_stays BEFORE UPDATE ON log_entry BEGIN SELECT RAISE(ABORT, 'log entries are never changed'); END;
CREATE TRIGGER log_entry_kept BEFORE DELETE ON log_entry BEGIN SELECT RAISE(ABORT, 'log entries are never removed'); END;
CREATE TRIGGER log_node_stays BEFORE UPDATE ON log_node BEGIN SELECT RAISE(ABORT, 'log nodes are never changed'); END;
CREATE TRIGGER log_node_kept BEFORE DELETE ON log_node BEGIN SELECT RAISE(ABORT, 'log nodes are never removed'); END;
CREATE TRIGGER digest_stays BEFORE UPDATE OF blake3, sha256, sm3, size_bytes ON clip
  WHEN OLD.blake3 IS NOT NULL AND (NEW.blake3 IS NOT OLD.blake3 OR NEW.sha256 IS NOT OLD.sha256 OR NEW.sm3 IS NOT OLD.sm3 OR NEW.size_bytes IS NOT OLD.size_bytes)
  BEGIN SELECT RAISE(ABORT, 'digests of sealed clips are never changed'); END;
CREATE TRIGGER disposal_kept BEFORE DELETE ON disposal BEGIN SELECT RAISE(ABORT, 'records of disposal are never removed'); END;
CREATE TRIGGER disposal_item_kept BEFORE DELETE ON disposal_item BEGIN SELECT RAISE(ABORT, 'records of disposal are never removed'); END;
CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
