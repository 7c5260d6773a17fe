-- Version 4 of the store: a group has one name, in the tables as everywhere. GROUP is a word of SQL, so it is quoted.

ALTER TABLE samples RENAME COLUMN grp TO "group";
ALTER TABLE scores RENAME COLUMN grp TO "group";
