-- A project with a name alone, of a caller whose session and account are good.
WITH created AS (
  INSERT INTO projects (id, owner_id, name, status)
  SELECT gen_random_uuid(), u.id, 'A trellis', 'active'
  FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = :writer_session AND u.id = :writer AND u.is_active AND u.deleted_at IS NULL
    AND s.revoked_at IS NULL AND s.expires_at > now()
  RETURNING *
)
SELECT row_to_json(d) FROM (
  SELECT p.id, p.external_id, p.owner_id, p.name, p.description, p.status, p.starts_on, p.due_on,
    json_build_array() AS tags, 'owner' AS my_role, p.created_at, p.updated_at, p.version
  FROM created p
) d;
