// Fastify with Drizzle ORM: relational queries, prepared, and responses serialised by their schemas.
import jwt from '@fastify/jwt'
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify from 'fastify'
import pg from 'pg'
import * as schema from './schema.js'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10, options: '-c timezone=UTC' })
const db = drizzle(pool, { schema })
const { projects, users } = schema

const withTags = {
  columns: { deleted_at: false },
  with: { projectTags: { columns: {}, with: { tag: true } } }
}
const queries = {
  user: db.query.users
    .findFirst({
      columns: { id: true },
      where: and(eq(users.id, sql.placeholder('id')), eq(users.isActive, true), isNull(users.deletedAt))
    })
    .prepare('user'),
  project: db.query.projects
    .findFirst({
      ...withTags,
      where: and(
        eq(projects.id, sql.placeholder('id')),
        eq(projects.owner_id, sql.placeholder('owner')),
        isNull(projects.deleted_at)
      )
    })
    .prepare('project'),
  page: db.query.projects
    .findMany({
      ...withTags,
      where: and(eq(projects.owner_id, sql.placeholder('owner')), isNull(projects.deleted_at)),
      orderBy: [desc(projects.created_at), desc(projects.id)],
      limit: sql.placeholder('limit')
    })
    .prepare('page')
}

const byName = (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : one.id < other.id ? -1 : 1)

function asDocument({ projectTags, ...project }) {
  return { ...project, my_role: 'owner', tags: projectTags.map((link) => link.tag).sort(byName) }
}

const text = { type: 'string' }
const textOrNull = { type: ['string', 'null'] }
const time = { type: 'string', format: 'date-time' }
const tag = { type: 'object', properties: { id: text, name: text, slug: text, color: text } }
const document = {
  type: 'object',
  properties: {
    id: text,
    external_id: textOrNull,
    owner_id: text,
    name: text,
    description: textOrNull,
    status: text,
    starts_on: textOrNull,
    due_on: textOrNull,
    tags: { type: 'array', items: tag },
    my_role: text,
    created_at: time,
    updated_at: time,
    version: { type: 'integer' }
  }
}
const projectPage = { type: 'object', properties: { items: { type: 'array', items: document } } }

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

const app = Fastify()
app.register(jwt, { secret: process.env.TRELLIS_SECRET, verify: { algorithms: ['HS256'], allowedIss: 'trellis' } })

app.addHook('onRequest', async (request, reply) => {
  const claims = await request.jwtVerify()
  if (!(await queries.user.execute({ id: claims.sub }))) return reply.code(401).send({ message: 'Unauthorized' })
})

app.get('/api/v1/projects/:id', { schema: { params: id, response: { 200: document } } }, async (request, reply) => {
  const found = await queries.project.execute({ id: request.params.id, owner: request.user.sub })
  return found ? asDocument(found) : reply.code(404).send({ message: 'Project not found' })
})

app.get('/api/v1/projects', { schema: { querystring: page, response: { 200: projectPage } } }, async (request) => {
  const found = await queries.page.execute({ owner: request.user.sub, limit: request.query.limit })
  return { items: found.map(asDocument) }
})

app.post('/api/v1/projects', { schema: { body: name, response: { 201: document } } }, async (request, reply) => {
  const [created] = await db
    .insert(projects)
    .values({ owner_id: request.user.sub, name: request.body.name })
    .returning()
  return reply.code(201).send(asDocument({ ...created, projectTags: [] }))
})

// A trigger raises the version.
const changing = { params: id, body: change, headers: ifMatch, response: { 200: document } }
app.patch('/api/v1/projects/:id', { schema: changing }, async (request, reply) => {
  const [changed] = await db
    .update(projects)
    .set(request.body)
    .where(
      and(
        eq(projects.id, request.params.id),
        eq(projects.owner_id, request.user.sub),
        eq(projects.version, parseInt(request.headers['if-match'].slice(1))),
        isNull(projects.deleted_at)
      )
    )
    .returning({ id: projects.id })
  if (!changed) return reply.code(412).send({ message: 'Project changed meanwhile' })
  return asDocument(await queries.project.execute({ id: changed.id, owner: request.user.sub }))
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
