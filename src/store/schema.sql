-- evidock's database, version 13. This file is the document of what is stored; a test proves that the
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
  role           TEXT NOT NULL DEFAULT 'clip' CHECK (role IN ('clip', 'sidecar', 'log', 'other')),         -- what the profile says it is; only recordings owe the five facts
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
  CHECK (local = 'copying' OR (size_bytes IS NOT NULL AND length(blake3) = 32 AND length(sha256) = 32 AND sealed_ms IS NOT NULL))
) STRICT;
CREATE INDEX clip_by_source ON clip (recorder_id, path);
CREATE INDEX clip_by_digest ON clip (blake3) WHERE blake3 IS NOT NULL;
CREATE INDEX clip_copying ON clip (local) WHERE local = 'copying';
CREATE INDEX clip_stale ON clip (record_stale) WHERE record_stale = 1;
CREATE INDEX clip_by_state ON clip (state, coalesce(sealed_ms, created_ms));
CREATE INDEX clip_owing ON clip (owes_since_ms) WHERE owes_since_ms IS NOT NULL;
CREATE INDEX clip_quarantined ON clip (local) WHERE quarantine IS NOT NULL;
CREATE INDEX clip_damaged ON clip (local) WHERE local = 'damaged';
CREATE INDEX clip_isolated ON clip (isolated_ms) WHERE isolated_ms IS NOT NULL;
CREATE INDEX clip_evicting ON clip (evict_seq) WHERE evict_seq IS NOT NULL;
CREATE INDEX clip_evicted ON clip (local) WHERE local = 'evicted';

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
CREATE INDEX clip_index_recorder ON clip_index (recorder_id, captured_start_ms);
CREATE INDEX clip_index_start ON clip_index (captured_start_ms);
CREATE INDEX clip_index_officer ON clip_index (officer);
CREATE INDEX clip_index_missing ON clip_index (missing_count) WHERE missing_count > 0;
CREATE INDEX clip_index_triage ON clip_index (triage, clip_id) WHERE triage IS NOT NULL;

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
CREATE INDEX case_alias_case ON case_alias (case_id);

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
  reason       TEXT,
  rule_version INTEGER NOT NULL,
  withdrawn    INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
  actor        TEXT NOT NULL,
  at_ms        INTEGER NOT NULL,
  UNIQUE (clip_id, case_id, rev)
) STRICT;
CREATE INDEX case_link_case ON case_link (case_id);

-- Who had which recorder, when, for what. Rows of an import replace those of an earlier import of the same name.
CREATE TABLE roster (
  roster_id INTEGER PRIMARY KEY,
  import    TEXT NOT NULL,
  recorder  TEXT NOT NULL,
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  row       TEXT NOT NULL                            -- JSON of casework::roster::RosterRow
) STRICT;
CREATE INDEX roster_by_recorder ON roster (recorder, from_ms);

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

-- Links that rules suggest, one row for clip and case: the strongest rule's word. What a person refused is never
-- suggested or linked by a rule again.
CREATE TABLE suggestion (
  suggestion_id INTEGER PRIMARY KEY,
  clip_id    TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  case_key   TEXT NOT NULL,                          -- of the number; the case itself may not be open yet
  raw        TEXT NOT NULL,                          -- the number as it was found
  rule       TEXT NOT NULL,                          -- word of casework::rules::Rule
  score      INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
  reason     TEXT NOT NULL,
  stage      TEXT, matter TEXT, proves TEXT,
  state      TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused', 'linked', 'gone')),  -- linked: by the rule itself; gone: no rule says so any more
  made_ms    INTEGER NOT NULL,
  decided_by TEXT,                                   -- kind:id of the actor
  decided_ms INTEGER,
  UNIQUE (clip_id, case_key)
) STRICT;
CREATE INDEX suggestion_open ON suggestion (clip_id) WHERE state = 'open';

-- Why a matter of a case has no recording: a written record stands for it (以文字记录替代), or it was not recorded
-- (缺记原因). The newest row of case and matter counts; an empty reason withdraws.
CREATE TABLE no_record (
  no_record_id INTEGER PRIMARY KEY,
  case_id      INTEGER NOT NULL REFERENCES case_file,
  matter       TEXT NOT NULL,
  written      INTEGER NOT NULL CHECK (written IN (0, 1)),
  reason       TEXT NOT NULL,
  actor        TEXT NOT NULL,                        -- kind:id
  at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX no_record_case ON no_record (case_id);

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
  CHECK ((second_by IS NULL) = (second_ms IS NULL)),
  CHECK (state <> 'ready' OR (discs > 0 AND clips IS NOT NULL AND bytes IS NOT NULL AND ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX export_open ON export (asked_ms) WHERE state IN ('asked', 'making');
CREATE INDEX export_case ON export (case_id, asked_ms);

-- These stop accidents only; whoever owns the file can drop them. The tree and its anchors are what tells.
CREATE TRIGGER log_entry_stays BEFORE UPDATE ON log_entry BEGIN SELECT RAISE(ABORT, 'log entries are never changed'); END;
CREATE TRIGGER log_entry_kept BEFORE DELETE ON log_entry BEGIN SELECT RAISE(ABORT, 'log entries are never removed'); END;
CREATE TRIGGER log_node_stays BEFORE UPDATE ON log_node BEGIN SELECT RAISE(ABORT, 'log nodes are never changed'); END;
CREATE TRIGGER log_node_kept BEFORE DELETE ON log_node BEGIN SELECT RAISE(ABORT, 'log nodes are never removed'); END;
CREATE TRIGGER digest_stays BEFORE UPDATE OF blake3, sha256, size_bytes ON clip
  WHEN OLD.blake3 IS NOT NULL AND (NEW.blake3 IS NOT OLD.blake3 OR NEW.sha256 IS NOT OLD.sha256 OR NEW.size_bytes IS NOT OLD.size_bytes)
  BEGIN SELECT RAISE(ABORT, 'digests of sealed clips are never changed'); END;
CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
