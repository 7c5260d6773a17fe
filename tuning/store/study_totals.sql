-- Version 8 of the store: what a study took, added up over its sessions.

ALTER TABLE studies ADD COLUMN totals VARCHAR DEFAULT '{}';  -- JSON: seconds, sessions
