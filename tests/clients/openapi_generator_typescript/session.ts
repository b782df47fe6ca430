// The README's session with the client that openapi-generator makes for fetch. Its argument is the server's address.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  AuthApi,
  BatchApi,
  ChangesApi,
  Configuration,
  InvalidTokenFromJSON,
  ProjectNotFoundFromJSON,
  ProjectsApi,
  ResponseError,
  TagsApi,
  UsersApi,
  VersionMismatchFromJSON,
} from "../generated/openapi_generator_typescript";
import type { ChangeRead, ProjectPartial, ProjectRead, SignedIn, TagRead } from "../generated/openapi_generator_typescript";

const basePath = process.argv[2];
const email = `${randomUUID()}@example.com`;
const password = "correct horse battery";

/** The problem that a request is refused with, as its type in the client. */
async function problemOf<T>(read: (json: unknown) => T, request: Promise<unknown>): Promise<T> {
  try {
    await request;
  } catch (refusal) {
    assert(refusal instanceof ResponseError);
    return read(await refusal.response.json());
  }
  assert.fail("It was not refused.");
}

async function signIn(): Promise<SignedIn> {
  const anybody = new Configuration({ basePath });
  const account = await new UsersApi(anybody).usersRegister({ userCreate: { email, password, fullName: "Ann" } });
  assert.equal(account?.version, 1);
  return new AuthApi(anybody).authCreateSession({ sessionCreate: { email, password } });
}

/** Create a project with a tag, and change what was seen, and nothing else. */
async function change(projects: ProjectsApi, tag: TagRead): Promise<ProjectRead> {
  const made = await projects.projectsCreate({ projectCreate: { name: "A trellis", tagIds: [tag.id] } });
  assert.deepEqual(made.tags.map((one) => one.name), ["Garden"]);
  const read = await projects.projectsGetRaw({ projectId: made.id });
  const ifMatch = read.raw.headers.get("etag") ?? undefined;
  const told = { projectId: made.id, projectUpdate: { description: "For the roses" }, ifMatch };
  assert.equal((await projects.projectsUpdate(told))?.description, "For the roses");
  const late = await problemOf(VersionMismatchFromJSON, projects.projectsUpdate(told));
  assert.equal(late.code, "version_mismatch");
  const pause = { projectId: made.id, projectUpdate: { status: "paused" as const }, prefer: "return=minimal" };
  assert.equal((await projects.projectsUpdateRaw(pause)).raw.status, 204);
  return made;
}

/** One key, one project, however often it is asked for; the last answer leaves the document out. */
async function repeat(projects: ProjectsApi): Promise<void> {
  const move = { projectCreate: { name: "Move" }, idempotencyKey: "move-1" };
  assert.deepEqual(await projects.projectsCreate(move), await projects.projectsCreate(move));
  const bare = await projects.projectsCreateRaw({ projectCreate: { name: "Bare" }, prefer: "return=minimal" });
  assert.equal(bare.raw.status, 201);
  assert.equal(await bare.raw.text(), "");
}

/** A list by filters and in an order, page after page to its end. */
async function list(projects: ProjectsApi): Promise<ProjectPartial[]> {
  const rows: ProjectPartial[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await projects.projectsList({
      limit: 2,
      cursor: cursor ?? undefined,
      statusIn: ["active", "paused"],
      nameContains: "o",
      sort: ["name"],
      fields: ["id", "name"],
    });
    rows.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  return rows;
}

/** Import lines and a table, list, and export. */
async function carry(projects: ProjectsApi): Promise<void> {
  const lines = [0, 1, 2].map((number) => JSON.stringify({ name: `Imported ${number}` })).join("\n");
  assert.equal((await projects.projectsImport({ body: new Blob([lines]) })).imported, 3);
  // Of two media types the client knows the first.
  const table = new Blob(["name\r\nImported 3\r\nImported 4\r\n"]);
  const asTable = { headers: { "Content-Type": "text/csv" } };
  const imported = await projects.projectsImport({ body: table }, async ({ init }) => {
    return { ...init, headers: { ...init.headers, ...asTable.headers } };
  });
  assert.equal(imported.imported, 2);
  const rows = await list(projects);
  assert.deepEqual(rows.map((row) => row.name), [0, 1, 2, 3, 4].map((number) => `Imported ${number}`).concat("Move"));
  assert(rows.every((row) => row.version === undefined));
  const exported = await (await projects.projectsExport({ tag: ["garden"] })).text();
  assert.deepEqual(exported.trimEnd().split("\n").map((line) => JSON.parse(line).name), ["A trellis"]);
}

/** Two changes, of which the second refers to the first. */
async function batch(configuration: Configuration, project: ProjectRead): Promise<void> {
  const done = await new BatchApi(configuration).batchRun({
    batch: {
      operations: [
        { method: "POST", path: "/tags", body: { name: "Urgent" } },
        { method: "PUT", path: `/projects/${project.id}/tags/{/0/id}` },
      ],
    },
  });
  assert.deepEqual(done.results.map((result) => result.status), [201, 204]);
}

/** The change feed up to now. */
async function follow(changes: ChangesApi): Promise<ChangeRead[]> {
  const found: ChangeRead[] = [];
  let after: string | undefined;
  for (let more = true; more; ) {
    const page = await changes.changesFollow({ after, limit: 3 });
    found.push(...page.items);
    after = page.nextCursor;
    more = page.hasMore;
  }
  return found;
}

async function main(): Promise<void> {
  const tokens = await signIn();
  const configuration = new Configuration({ basePath, accessToken: tokens.accessToken });
  const projects = new ProjectsApi(configuration);
  const tag = await new TagsApi(configuration).tagsCreate({ tagCreate: { name: "Garden" } });
  const project = await change(projects, tag);
  await repeat(projects);
  await carry(projects);
  await batch(configuration, project);
  const history = await projects.projectsHistory({ projectId: project.id });
  assert.deepEqual(new Set(history.items.map((change) => change.action)), new Set(["created", "changed"]));
  const changes = await follow(new ChangesApi(configuration));
  assert(changes.some((change) => change.resource === "projects"));
  assert.equal((await projects.projectsDeleteRaw({ projectId: project.id })).raw.status, 204);
  const gone = await problemOf(ProjectNotFoundFromJSON, projects.projectsGet({ projectId: project.id }));
  assert.equal(gone.code, "project_not_found");
  assert.equal((await projects.projectsRestore({ projectId: project.id }))?.id, project.id);
  await new AuthApi(configuration).authRevoke({ token: tokens.refreshToken });
  const ended = await problemOf(InvalidTokenFromJSON, new UsersApi(configuration).usersGetMe());
  assert.equal(ended.code, "invalid_token");
}

void main();
