// The tables, as Drizzle knows them.
import { relations } from 'drizzle-orm'
import { boolean, date, integer, pgTable, primaryKey, timestamp, uuid, varchar } from 'drizzle-orm/pg-core'

const time = (name) => timestamp(name, { withTimezone: true })

export const users = pgTable('users', {
  id: uuid('id').primaryKey(),
  isActive: boolean('is_active').notNull(),
  deletedAt: time('deleted_at')
})

export const tags = pgTable('tags', {
  id: uuid('id').primaryKey(),
  name: varchar('name', { length: 50 }).notNull(),
  slug: varchar('slug', { length: 50 }).notNull(),
  color: varchar('color', { length: 7 }).notNull()
})

export const projects = pgTable('projects', {
  id: uuid('id').primaryKey().$defaultFn(() => Bun.randomUUIDv7()),
  external_id: varchar('external_id', { length: 200 }),
  owner_id: uuid('owner_id').notNull().references(() => users.id),
  name: varchar('name', { length: 200 }).notNull(),
  description: varchar('description', { length: 10000 }),
  status: varchar('status', { length: 20 }).notNull().$defaultFn(() => 'active'),
  starts_on: date('starts_on'),
  due_on: date('due_on'),
  created_at: time('created_at').notNull().defaultNow(),
  updated_at: time('updated_at').notNull().defaultNow(),
  version: integer('version').notNull().default(1),
  deleted_at: time('deleted_at')
})

export const projectTags = pgTable(
  'project_tags',
  {
    projectId: uuid('project_id').notNull().references(() => projects.id),
    tagId: uuid('tag_id').notNull().references(() => tags.id)
  },
  (table) => [primaryKey({ columns: [table.projectId, table.tagId] })]
)

export const projectsRelations = relations(projects, ({ many }) => ({ projectTags: many(projectTags) }))

export const projectTagsRelations = relations(projectTags, ({ one }) => ({
  project: one(projects, { fields: [projectTags.projectId], references: [projects.id] }),
  tag: one(tags, { fields: [projectTags.tagId], references: [tags.id] })
}))
