-- `magiclink check`: is the schema there, with the tables of the newest migration? Readable to every role.

-- name: find_newest_table
SELECT to_regclass('magiclink.heads')::text AS found
