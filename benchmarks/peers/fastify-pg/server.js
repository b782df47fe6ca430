// Fastify with raw pg: one prepared statement in which PostgreSQL builds the whole document, tags included.
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import pg from 'pg'
import { v7 as uuid } from 'uuid'

const document = (projects) => `
  SELECT p.id, p.external_id, p.owner_id, p.name, p.description, p.status, p.starts_on, p.due_on,
    array_to_json(ARRAY(
      SELECT row_to_json(t) FROM (
        SELECT tags.id, tags.name, tags.slug, tags.color
        FROM project_tags JOIN tags ON tags.id = project_tags.tag_id
        WHERE project_tags.project_id = p.id
        ORDER BY tags.name, tags.id
      ) t
    )) AS tags,
    'owner' AS my_role, p.created_at, p.updated_at, p.version
  FROM ${projects} p`

const statements = {
  user: 'SELECT id FROM users WHERE id = $1 AND is_active AND deleted_at IS NULL',
  project: `
    SELECT row_to_json(d)::text AS body
    FROM (${document('projects')} WHERE p.id = $1 AND p.owner_id = $2 AND p.deleted_at IS NULL) d`,
  page: `
    SELECT '{"items":' || array_to_json(ARRAY(
      SELECT row_to_json(d)
      FROM (
        ${document('projects')}
        WHERE p.owner_id = $1 AND p.deleted_at IS NULL
        ORDER BY p.created_at DESC, p.id DESC
        LIMIT $2
      ) d
    )) || '}' AS body`,
  create: `
    WITH created AS (
      INSERT INTO projects (id, owner_id, name, status) VALUES ($1, $2, $3, 'active') RETURNING *
    )
    SELECT row_to_json(d)::text AS body FROM (${document('created')}) d`,
  // A trigger raises the version.
  change: `
    WITH changed AS (
      UPDATE projects
      SET name = coalesce($4, name), status = coalesce($5, status),
        description = CASE WHEN $6 THEN $7 ELSE description END
      WHERE id = $1 AND owner_id = $2 AND version = $3 AND deleted_at IS NULL
      RETURNING *
    )
    SELECT row_to_json(d)::text AS body FROM (${document('changed')}) d`
}

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10, options: '-c timezone=UTC' })

async function first(name, ...values) {
  const { rows } = await pool.query({ name, text: statements[name], values })
  return rows[0]
}

const app = Fastify()
app.register(jwt, { secret: process.env.TRELLIS_SECRET, verify: { algorithms: ['HS256'], allowedIss: 'trellis' } })

app.addHook('onRequest', async (request, reply) => {
  const claims = await request.jwtVerify()
  if (!(await first('user', claims.sub))) return reply.code(401).send({ message: 'Unauthorized' })
})

const id = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } }
const page = { type: 'object', properties: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 } } }
const name = { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, maxLength: 200 } } }
const status = { type: 'string', enum: ['active', 'paused', 'completed', 'archived'] }
const description = { type: ['string', 'null'], maxLength: 10000 }
const change = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: { name: name.properties.name, description, status }
}
const ifMatch = { type: 'object', required: ['if-match'], properties: { 'if-match': { type: 'string', pattern: '^"[0-9]+-' } } }

app.get('/api/v1/projects/:id', { schema: { params: id } }, async (request, reply) => {
  const found = await first('project', request.params.id, request.user.sub)
  if (!found) return reply.code(404).send({ message: 'Project not found' })
  return reply.type('application/json').send(found.body)
})

app.get('/api/v1/projects', { schema: { querystring: page } }, async (request, reply) => {
  const found = await first('page', request.user.sub, request.query.limit)
  return reply.type('application/json').send(found.body)
})

app.post('/api/v1/projects', { schema: { body: name } }, async (request, reply) => {
  const created = await first('create', uuid(), request.user.sub, request.body.name)
  return reply.code(201).type('application/json').send(created.body)
})

const changing = { params: id, body: change, headers: ifMatch }
app.patch('/api/v1/projects/:id', { schema: changing }, async (request, reply) => {
  const { name, status, description } = request.body
  const known = [request.params.id, request.user.sub, parseInt(request.headers['if-match'].slice(1))]
  const changed = await first('change', ...known, name, status, description !== undefined, description)
  if (!changed) return reply.code(412).send({ message: 'Project changed meanwhile' })
  return reply.type('application/json').send(changed.body)
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
