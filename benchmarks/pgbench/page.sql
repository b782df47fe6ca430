-- A page of 20, newest first, each project with its tags, for a caller whose session and account are good.
SELECT row_to_json(d) FROM (
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
  FROM projects p
  WHERE p.owner_id = :caller AND p.deleted_at IS NULL
    AND EXISTS (
      SELECT FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = :session AND u.id = :caller AND u.is_active AND u.deleted_at IS NULL
        AND s.revoked_at IS NULL AND s.expires_at > now()
    )
  ORDER BY p.created_at DESC, p.id DESC
  LIMIT 20
) d;
