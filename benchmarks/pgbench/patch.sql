-- The status of a project changes, of a caller whose session and account are good, if it is at the version that this
-- client got the time before. Each client has a project of its own.
\if :version = 0
\set place :skipped + :client_id
SELECT id AS mine, version FROM projects WHERE owner_id = :writer ORDER BY created_at, id OFFSET :place LIMIT 1
\gset
\endif
WITH changed AS (
  UPDATE projects SET status = CASE status WHEN 'paused' THEN 'active' ELSE 'paused' END
  WHERE id = :mine AND owner_id = :writer AND version = :version AND deleted_at IS NULL
    AND EXISTS (
      SELECT FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = :writer_session AND u.id = :writer AND u.is_active AND u.deleted_at IS NULL
        AND s.revoked_at IS NULL AND s.expires_at > now()
    )
  RETURNING *
)
SELECT d.version, row_to_json(d) AS document FROM (
  SELECT p.id, p.external_id, p.owner_id, p.name, p.description, p.status, p.starts_on, p.due_on,
    array_to_json(ARRAY(
      SELECT row_to_json(t) FROM (
        SELECT tags.id, tags.name, tags.slug, tags.color
        FROM project_tags JOIN tags ON tags.id = project_tags.tag_id
        WHERE project_tags.project_id = p.id AND tags.deleted_at IS NULL
        ORDER BY tags.name, tags.id
      ) t
    )) AS tags,
    'owner' AS my_role, p.created_at, p.updated_at, p.version
  FROM changed p
) d
\gset
