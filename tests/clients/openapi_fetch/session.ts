// The README's session with openapi-fetch over the types of openapi-typescript. Its argument is the server's address.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "../generated/openapi_fetch/schema";

type Schemas = components["schemas"];

const client = createClient<paths>({ baseUrl: process.argv[2] });
const email = `${randomUUID()}@example.com`;
const password = "correct horse battery";
const headers = { "Content-Type": "application/x-www-form-urlencoded" };

/** What a request gives that is not refused. */
async function dataOf<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer;
  assert(data !== undefined, JSON.stringify(error));
  return data;
}

async function signIn(): Promise<Schemas["SignedIn"]> {
  const account = await dataOf(client.POST("/api/v1/users", { body: { email, password, full_name: "Ann" } }));
  assert.equal(account.version, 1);
  return dataOf(client.POST("/api/v1/auth/sessions", { body: { email, password } }));
}

/** Create a project with a tag, and change what was seen, and nothing else. */
async function change(tag: Schemas["TagRead"]): Promise<Schemas["ProjectRead"]> {
  const made = await dataOf(client.POST("/api/v1/projects", { body: { name: "A trellis", tag_ids: [tag.id] } }));
  assert.deepEqual(made.tags.map((one) => one.name), ["Garden"]);
  const path = { project_id: made.id };
  const { response } = await client.GET("/api/v1/projects/{project_id}", { params: { path } });
  const params = { path, header: { "If-Match": response.headers.get("ETag") ?? undefined } };
  const told = { params, body: { description: "For the roses" } };
  const { data } = await client.PATCH("/api/v1/projects/{project_id}", told);
  assert.equal(data?.description, "For the roses");
  const { error } = await client.PATCH("/api/v1/projects/{project_id}", told);
  assert.equal(error?.code, "version_mismatch");
  const short = await client.PATCH("/api/v1/projects/{project_id}", {
    params: { path, header: { Prefer: "return=minimal" } },
    body: { status: "paused" },
  });
  assert.equal(short.response.status, 204);
  return made;
}

/** One key, one project, however often it is asked for; the last answer leaves the document out. */
async function repeat(): Promise<void> {
  const move = { params: { header: { "Idempotency-Key": "move-1" } }, body: { name: "Move" } };
  const first = await dataOf(client.POST("/api/v1/projects", move));
  assert.deepEqual(first, await dataOf(client.POST("/api/v1/projects", move)));
  const params = { header: { Prefer: "return=minimal" } };
  const bare = await client.POST("/api/v1/projects", { params, body: { name: "Bare" } });
  assert.equal(bare.response.status, 201);
  assert.equal(bare.data, undefined);
}

/** A list by filters and in an order, page after page to its end. */
async function list(): Promise<Schemas["ProjectPartial"][]> {
  const rows: Schemas["ProjectPartial"][] = [];
  let cursor: string | undefined;
  do {
    const page: Schemas["ProjectPage"] = await dataOf(
      client.GET("/api/v1/projects", {
        params: {
          query: {
            limit: 2,
            cursor,
            "status[in]": ["active", "paused"],
            "name[contains]": "o",
            sort: ["name"],
            fields: ["id", "name"],
          },
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
  const table = "name\r\nImported 3\r\nImported 4\r\n";
  for (const [type, body, number] of [["application/x-ndjson", lines, 3], ["text/csv", table, 2]] as const) {
    const answer = client.POST("/api/v1/projects/import", {
      body,
      bodySerializer: (text: string) => text,
      headers: { "Content-Type": type },
    });
    assert.equal((await dataOf(answer)).imported, number);
  }
  const rows = await list();
  assert.deepEqual(rows.map((row) => row.name), [0, 1, 2, 3, 4].map((number) => `Imported ${number}`).concat("Move"));
  assert(rows.every((row) => row.version === undefined));
  const query = { tag: ["garden"] };
  const exported = await dataOf(client.GET("/api/v1/projects/export", { params: { query }, parseAs: "text" }));
  assert.deepEqual(exported.trimEnd().split("\n").map((line) => JSON.parse(line).name), ["A trellis"]);
}

/** Two changes, of which the second refers to the first. */
async function batch(project: Schemas["ProjectRead"]): Promise<void> {
  const body: Schemas["Batch"] = {
    operations: [
      { method: "POST", path: "/tags", body: { name: "Urgent" } },
      { method: "PUT", path: `/projects/${project.id}/tags/{/0/id}` },
    ],
  };
  const done = await dataOf(client.POST("/api/v1/batch", { body }));
  assert.deepEqual(done.results.map((result) => result.status), [201, 204]);
}

/** The change feed up to now. */
async function follow(): Promise<Schemas["ChangeRead"][]> {
  const found: Schemas["ChangeRead"][] = [];
  let after: string | undefined;
  for (let more = true; more; ) {
    const params = { query: { after, limit: 3 } };
    const page: Schemas["ChangesRead"] = await dataOf(client.GET("/api/v1/changes", { params }));
    found.push(...page.items);
    after = page.next_cursor;
    more = page.has_more;
  }
  return found;
}

async function main(): Promise<void> {
  const tokens = await signIn();
  client.use({
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
    },
  });
  const project = await change(await dataOf(client.POST("/api/v1/tags", { body: { name: "Garden" } })));
  const params = { path: { project_id: project.id } };
  await repeat();
  await carry();
  await batch(project);
  const history = await dataOf(client.GET("/api/v1/projects/{project_id}/history", { params }));
  assert.deepEqual(new Set(history.items.map((change) => change.action)), new Set(["created", "changed"]));
  assert((await follow()).some((change) => change.resource === "projects"));
  assert.equal((await client.DELETE("/api/v1/projects/{project_id}", { params })).response.status, 204);
  const gone = await client.GET("/api/v1/projects/{project_id}", { params });
  assert.equal(gone.error?.code, "project_not_found");
  const restored = await client.POST("/api/v1/projects/{project_id}/restore", { params });
  assert.equal(restored.data?.id, project.id);
  await client.POST("/api/v1/auth/revoke", { body: { token: tokens.refresh_token }, headers });
  assert.equal((await client.GET("/api/v1/users/me")).error?.code, "invalid_token");
}

void main();
