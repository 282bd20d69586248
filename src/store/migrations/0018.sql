-- Documents beside clips, and the index of what is searched. See schema.sql.

-- A role more: only the check of the column changes, for which SQLite documents this way (ALTER TABLE, section 7).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''sidecar'', ''log'', ''other'')', '''sidecar'', ''log'', ''other'', ''document'')')
  WHERE type = 'table' AND name = 'clip';
PRAGMA writable_schema = RESET;

CREATE TABLE document (
  clip_id    TEXT PRIMARY KEY REFERENCES clip ON DELETE CASCADE,
  kind       TEXT NOT NULL CHECK (kind IN ('record', 'evidence', 'approval', 'notice', 'decision', 'service', 'other')),
  media_type TEXT NOT NULL,
  filed_by   TEXT NOT NULL,
  filed_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE search_text (
  doc_id  INTEGER PRIMARY KEY,
  clip_id TEXT NOT NULL UNIQUE,
  numbers TEXT NOT NULL,
  people  TEXT NOT NULL,
  place   TEXT NOT NULL,
  words   TEXT NOT NULL
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
INSERT INTO search_due SELECT clip_id FROM clip;
