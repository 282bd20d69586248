-- Signing in by an identity provider or a certificate, and second officers in the rights. See schema.sql.

CREATE TABLE account_identity (
  kind       TEXT NOT NULL CHECK (kind IN ('oidc', 'certificate')),
  issuer     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  account_id INTEGER NOT NULL REFERENCES account,
  PRIMARY KEY (kind, issuer, subject),
  CHECK ((issuer = '') = (kind = 'certificate'))
) STRICT, WITHOUT ROWID;
CREATE INDEX account_identity_account ON account_identity (account_id);
ALTER TABLE sign_in ADD COLUMN by_what TEXT NOT NULL DEFAULT 'password' CHECK (by_what IN ('password', 'oidc', 'certificate'));

CREATE TABLE clip_co_officer (
  clip_id TEXT NOT NULL REFERENCES clip ON DELETE CASCADE,
  officer TEXT NOT NULL,
  PRIMARY KEY (clip_id, officer)
) STRICT, WITHOUT ROWID;
-- Whoever settles labels that were never settled writes these clips' second officers, too.
UPDATE clip_index SET care = NULL WHERE clip_id IN (SELECT clip_id FROM fact WHERE field = 'co_officers');
