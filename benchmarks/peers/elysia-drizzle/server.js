// Elysia with Drizzle ORM on Bun and its own PostgreSQL client: relational queries, prepared.
// Elysia rather than Hono: measured side by side here, both with Drizzle over Bun's client, Hono with its jwt and zod
// took 84 µs of processor for a project where Elysia took 79, 208 for a page where Elysia took 184, and as much to create
// one (134 and 133). Over pg or postgres.js, either took a sixth to a half more.
import { jwt } from '@elysiajs/jwt'
import { SQL } from 'bun'
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/bun-sql'
import { Elysia, t } from 'elysia'
import * as schema from './schema.js'

const client = new SQL({ url: process.env.DATABASE_URL, max: 10, connection: { timezone: 'UTC' } })
const db = drizzle({ client, schema })
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

const id = t.Object({ id: t.String({ format: 'uuid' }) })
const page = t.Object({ limit: t.Integer({ minimum: 1, maximum: 100, default: 20 }) })
const name = t.String({ minLength: 1, maxLength: 200 })
const change = t.Partial(
  t.Object({
    name,
    description: t.Nullable(t.String({ maxLength: 10000 })),
    status: t.UnionEnum(['active', 'paused', 'completed', 'archived'])
  }),
  { additionalProperties: false, minProperties: 1 }
)
// Elysia drops the headers that a schema does not name.
const ifMatch = t.Object({ authorization: t.Optional(t.String()), 'if-match': t.String({ pattern: '^"[0-9]+-' }) })

new Elysia({ prefix: '/api/v1' })
  .use(jwt({ secret: process.env.TRELLIS_SECRET }))
  .resolve(async ({ jwt, headers, status }) => {
    const claims = await jwt.verify(headers.authorization?.slice(7), { algorithms: ['HS256'], issuer: 'trellis' })
    if (!claims || !(await queries.user.execute({ id: claims.sub }))) return status(401, { message: 'Unauthorized' })
    return { caller: claims.sub }
  })
  .get(
    '/projects/:id',
    async ({ params, caller, status }) => {
      const found = await queries.project.execute({ id: params.id, owner: caller })
      return found ? asDocument(found) : status(404, { message: 'Project not found' })
    },
    { params: id }
  )
  .get(
    '/projects',
    async ({ query, caller }) => {
      const found = await queries.page.execute({ owner: caller, limit: query.limit })
      return { items: found.map(asDocument) }
    },
    { query: page }
  )
  .post(
    '/projects',
    async ({ body, caller, status }) => {
      const [{ deleted_at, ...created }] = await db
        .insert(projects)
        .values({ owner_id: caller, name: body.name })
        .returning()
      return status(201, asDocument({ ...created, projectTags: [] }))
    },
    { body: t.Object({ name }) }
  )
  // A trigger raises the version.
  .patch(
    '/projects/:id',
    async ({ params, body, headers, caller, status }) => {
      const [changed] = await db
        .update(projects)
        .set(body)
        .where(
          and(
            eq(projects.id, params.id),
            eq(projects.owner_id, caller),
            eq(projects.version, parseInt(headers['if-match'].slice(1))),
            isNull(projects.deleted_at)
          )
        )
        .returning({ id: projects.id })
      if (!changed) return status(412, { message: 'Project changed meanwhile' })
      return asDocument(await queries.project.execute({ id: changed.id, owner: caller }))
    },
    { params: id, body: change, headers: ifMatch }
  )
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
