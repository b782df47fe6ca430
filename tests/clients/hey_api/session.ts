// The README's session with the client that hey-api makes. Its argument is the server's address.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  authCreateSession,
  authRevoke,
  batchRun,
  changesFollow,
  projectsCreate,
  projectsDelete,
  projectsExport,
  projectsGet,
  projectsHistory,
  projectsImport,
  projectsList,
  projectsRestore,
  projectsUpdate,
  tagsCreate,
  usersGetMe,
  usersRegister,
} from "../generated/hey_api";
import type { ChangeRead, ProjectPartial, ProjectRead, SignedIn, TagRead, UserRead } from "../generated/hey_api";
import { client } from "../generated/hey_api/client.gen";

const email = `${randomUUID()}@example.com`;
const password = "correct horse battery";

/** What a request gives that is not refused. */
async function dataOf<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer;
  assert(data !== undefined, JSON.stringify(error));
  return data;
}

async function signIn(): Promise<SignedIn> {
  // A server that sends mail answers 202, without content, of which the client says that it is unknown.
  const account = await dataOf(usersRegister({ body: { email, password, full_name: "Ann" } }));
  assert.equal((account as UserRead).version, 1);
  return dataOf(authCreateSession({ body: { email, password } }));
}

/** Create a project with a tag, and change what was seen, and nothing else. */
async function change(tag: TagRead): Promise<ProjectRead> {
  const made = await dataOf(projectsCreate({ body: { name: "A trellis", tag_ids: [tag.id] } }));
  assert.deepEqual(made.tags.map((one) => one.name), ["Garden"]);
  const path = { project_id: made.id };
  const { response } = await projectsGet({ path });
  const headers = { "If-Match": response?.headers.get("ETag") ?? undefined };
  const body = { description: "For the roses" };
  assert.equal((await projectsUpdate({ path, headers, body })).data?.description, "For the roses");
  const { error } = await projectsUpdate({ path, headers, body });
  assert.equal(error?.code, "version_mismatch");
  const short = await projectsUpdate({ path, headers: { Prefer: "return=minimal" }, body: { status: "paused" } });
  assert.equal(short.response?.status, 204);
  return made;
}

/** One key, one project, however often it is asked for; the last answer leaves the document out. */
async function repeat(): Promise<void> {
  const move = { headers: { "Idempotency-Key": "move-1" }, body: { name: "Move" } };
  assert.deepEqual(await dataOf(projectsCreate(move)), await dataOf(projectsCreate(move)));
  const bare = await projectsCreate({ headers: { Prefer: "return=minimal" }, body: { name: "Bare" } });
  assert.equal(bare.response?.status, 201);
  assert.equal(bare.error, undefined);
}

/** A list by filters and in an order, page after page to its end. */
async function list(): Promise<ProjectPartial[]> {
  const rows: ProjectPartial[] = [];
  let cursor: string | undefined;
  do {
    const page: { items: ProjectPartial[]; next_cursor: string | null } = await dataOf(
      projectsList({
        query: {
          limit: 2,
          cursor,
          "status[in]": ["active", "paused"],
          "name[contains]": "o",
          sort: ["name"],
          fields: ["id", "name"],
        },
      }),
    );
    rows.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return rows;
}

/** Import lines and a table, list, and export. */
async function carry(): Promise<void> {
  const lines = [0, 1, 2].map((number) => JSON.stringify({ name: `Imported ${number}` })).join("\n");
  assert.equal((await dataOf(projectsImport({ body: new Blob([lines]) }))).imported, 3);
  // Of two media types the client knows the first.
  const table = new Blob(["name\r\nImported 3\r\nImported 4\r\n"]);
  const imported = await dataOf(projectsImport({ body: table, headers: { "Content-Type": "text/csv" }}));
  assert.equal(imported.imported, 2);
  const rows = await list();
  assert.deepEqual(rows.map((row) => row.name), [0, 1, 2, 3, 4].map((number) => `Imported ${number}`).concat("Move"));
  assert(rows.every((row) => row.version === undefined));
  const exported = await dataOf(projectsExport({ query: { tag: ["garden"] }, parseAs: "blob" }));
  const names = (await exported.text()).trimEnd().split("\n").map((line) => JSON.parse(line).name);
  assert.deepEqual(names, ["A trellis"]);
}

/** Two changes, of which the second refers to the first. */
async function batch(project: ProjectRead): Promise<void> {
  const done = await dataOf(
    batchRun({
      body: {
        operations: [
          { method: "POST", path: "/tags", body: { name: "Urgent" } },
          { method: "PUT", path: `/projects/${project.id}/tags/{/0/id}` },
        ],
      },
    }),
  );
  assert.deepEqual(done.results.map((result) => result.status), [201, 204]);
}

/** The change feed up to now. */
async function follow(): Promise<ChangeRead[]> {
  const found: ChangeRead[] = [];
  let after: string | undefined;
  for (let more = true; more; ) {
    const page: { items: ChangeRead[]; next_cursor: string; has_more: boolean } = await dataOf(
      changesFollow({ query: { after, limit: 3 } }),
    );
    found.push(...page.items);
    after = page.next_cursor;
    more = page.has_more;
  }
  return found;
}

async function main(): Promise<void> {
  client.setConfig({ baseUrl: process.argv[2] });
  const tokens = await signIn();
  client.setConfig({ auth: tokens.access_token });
  const tag = await dataOf(tagsCreate({ body: { name: "Garden" } }));
  const project = await change(tag);
  const path = { project_id: project.id };
  await repeat();
  await carry();
  await batch(project);
  const history = await dataOf(projectsHistory({ path }));
  assert.deepEqual(new Set(history.items.map((change) => change.action)), new Set(["created", "changed"]));
  assert((await follow()).some((change) => change.resource === "projects"));
  assert.equal((await projectsDelete({ path })).response?.status, 204);
  assert.equal((await projectsGet({ path })).error?.code, "project_not_found");
  assert.equal((await projectsRestore({ path })).response?.status, 200);
  await authRevoke({ body: { token: tokens.refresh_token } });
  assert.equal((await usersGetMe()).error?.code, "invalid_token");
}

void main();
