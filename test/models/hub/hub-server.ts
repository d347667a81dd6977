import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** A hub on this machine: the parts of the real one's API that a download asks for, and faults to order. */
export interface HubServer {
  readonly url: string;
  /** `METHOD path`, and `from byte` where a part of a file was asked for. */
  readonly requests: string[];
  /** Faults of one file's content after another: break the connection after so many bytes. */
  readonly cuts: number[];
  /** Answer every request so. */
  status: number | undefined;
  /** Ask for this token. */
  token: string | undefined;
  /** Send the whole file whatever part is asked for. */
  ignoresRanges: boolean;
  /** Accept these requests and never answer. */
  silent: "api" | "files" | undefined;
  /** The address of the next page of every listing. */
  next: string | undefined;
  /** The place of file contents, which is another host, as on the real hub. */
  contents: string | undefined;
  /** Redirect everything but contents there. */
  elsewhere: string | undefined;
  /** Bytes to send behind each file, beyond the size that is announced. */
  surplus: number;
  /** The `authorization` of each request. */
  readonly authorizations: (string | undefined)[];
  files: ReadonlyMap<string, Buffer>;
  /** The reply in place of a file. */
  readonly sent: Map<string, Buffer>;
  commit: string;
  /** Commits of other branches and tags than main. */
  readonly revisions: Map<string, string>;
  close(): Promise<void>;
}

/** Files above this are listed as large ones, with SHA-256, as on the hub. */
const largeFile = 100_000;

export async function hubServer(id: string, files: ReadonlyMap<string, Buffer>): Promise<HubServer> {
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hub: HubServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    cuts: [],
    status: undefined,
    token: undefined,
    ignoresRanges: false,
    silent: undefined,
    next: undefined,
    contents: undefined,
    elsewhere: undefined,
    surplus: 0,
    authorizations: [],
    files,
    sent: new Map(),
    commit: "1".repeat(40),
    revisions: new Map(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };

  function answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { pathname } = new URL(request.url!, hub.url);
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    // The look at a file's first byte tells its size.
    const probe = from === "0" && to === "0";
    hub.requests.push(`${request.method} ${pathname}${from && !probe ? ` from ${from}` : ""}${probe ? " size" : ""}`);
    hub.authorizations.push(request.headers.authorization);
    const isFile = pathname.includes("/resolve/");
    if (hub.silent === (isFile ? "files" : "api")) return undefined;
    if (!isFile && hub.elsewhere !== undefined)
      return response.writeHead(307, { location: `${hub.elsewhere}${request.url}` }).end();
    if (isFile && hub.contents !== undefined)
      return response.writeHead(302, { location: `${hub.contents}${pathname}` }).end();
    const refused =
      hub.token !== undefined && request.headers.authorization !== `Bearer ${hub.token}` ? 401 : undefined;
    const status = hub.status ?? refused;
    if (status !== undefined) return json(response, status, { error: "no" });
    const [revision] = pathname.split(`/api/models/${id}/revision/`).slice(1).map(decodeURIComponent);
    const commits = new Map([["main", hub.commit], ...hub.revisions]);
    const sha = [...commits].flat().includes(revision!) ? (commits.get(revision!) ?? revision) : undefined;
    if (sha !== undefined) return json(response, 200, { _id: "0", id, sha });
    const [commit] = pathname.split(`/api/models/${id}/tree/`).slice(1);
    if ([...commits.values()].includes(commit!)) {
      if (hub.next !== undefined) response.setHeader("link", `<${hub.next}>; rel="next"`);
      return json(response, 200, [...hub.files].map(listed));
    }
    const [, name = ""] = new RegExp(`^/${id}/resolve/[0-9a-f]{40}/(.+)$`).exec(pathname) ?? [];
    const content = hub.sent.get(name) ?? hub.files.get(name);
    if (!content) return json(response, 404, { error: "Repository not found" });
    send(response, content, from, to, probe);
  }

  function send(response: ServerResponse, content: Buffer, from?: string, to?: string, probe = false): void {
    const partial = from !== undefined && (probe || !hub.ignoresRanges);
    const surplus = Buffer.alloc(probe ? 0 : hub.surplus);
    const announced = partial ? content.subarray(Number(from), Number(to) + 1) : content;
    const body = Buffer.concat([announced, surplus]);
    response.writeHead(partial ? 206 : 200, {
      etag: '"x"',
      // As the real hub's contents have it.
      "x-cache": "Hit from cloudfront",
      "content-length": body.length,
      ...(partial && { "content-range": `bytes ${from}-${to}/${content.length}` }),
    });
    const cut = probe ? undefined : hub.cuts.shift();
    if (cut === undefined || cut >= body.length) response.end(body);
    // The bytes have to reach the other side before the connection goes.
    else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 50));
  }

  return hub;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function listed([path, content]: [string, Buffer]) {
  const git = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const lfs = { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 134 };
  return { type: "file", path, size: content.length, oid: git, ...(content.length > largeFile && { lfs }) };
}

export async function filesOf(dir: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(dir)) files.set(name, await readFile(join(dir, name)));
  return files;
}
