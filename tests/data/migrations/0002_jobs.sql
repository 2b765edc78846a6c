INSERT INTO datasets (id, name, created_at, last_used_at, format, size_bytes, sha256, row_count, contents)
VALUES ('0190a0a0-0000-7000-8000-000000000001', 'old', 1, 1, '{"type":"ndjson"}', 1,
    '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1,
    '{"target":"y","positive_label":"1","class_counts":{"0":1,"1":1},"columns":[],"missing_markers":[]}');
