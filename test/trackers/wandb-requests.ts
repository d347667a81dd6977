import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request of a client of Weights & Biases. */
export interface WandbRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came
  readonly body: any;
}

/** A server on this machine, and what it received. */
export async function listen(
  reply: (received: WandbRequest, nth: number) => readonly [status: number, body: string] = wandbReply,
) {
  const received: WandbRequest[] = [];
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString();
    const one = { path: request.url!, headers: request.headers, body: JSON.parse(text) };
    const [status, body] = reply(one, received.push(one));
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, received, close: () => server.close() };
}

const bucket = { name: "r1", project: { name: "mugs", entity: { name: "me" } } };

/** The replies of a server of Weights & Biases to a new run and to its steps. */
export const wandbReply = ({ path }: WandbRequest): readonly [number, string] => [
  200,
  path === "/graphql" ? JSON.stringify({ data: { upsertBucket: { bucket } } }) : "{}",
];

/** A client's requests as a server reads them, with the words of times and of the run's name taken out. */
export function told(requests: readonly WandbRequest[]) {
  const making = requests.find(({ body }) => body.query?.includes("upsertBucket"))!;
  const streams = requests.filter(({ path }) => path.endsWith("/file_stream"));
  const history: unknown[] = [];
  for (const { offset, content } of streams.flatMap(({ body }) => body.files?.["wandb-history.jsonl"] ?? []))
    history.splice(offset, content.length, ...content.map(read));
  const summary = streams.flatMap(({ body }) => body.files?.["wandb-summary.json"] ?? []).at(-1);
  const { complete, exitcode } = streams.at(-1)!.body;
  const { project, entity, displayName, config } = making.body.variables;
  return {
    places: [...new Set([making, ...streams].map(({ path }) => path))],
    credentials: [...new Set([making, ...streams].map(({ headers }) => `${headers.authorization}`))],
    forms: [...new Set([making, ...streams].map(({ headers }) => headers["content-type"]))],
    run: { project, entity: entity ?? null, displayName, config: JSON.parse(config) },
    history,
    summary: { offset: summary.offset, lines: summary.content.length, values: read(summary.content[0]) },
    heartbeats: streams.some(({ body }) => Object.keys(body).length === 0),
    end: { complete, exitcode },
  };
}

/** A line's values: times by their kind, and numbers that JSON lacks by the words that stand for them. */
function read(line: string): unknown {
  const words = line.replaceAll(/:(NaN|-?Infinity)(?=[,}])/g, ':"the number $1"');
  return JSON.parse(words, (name, value) => (/^(_timestamp|_runtime|runtime)$/.test(name) ? typeof value : value));
}

/** The fields of the mutation that makes a run, with the types of their variables, and the fields it asks for. */
export function mutation(query: string) {
  const types = Object.fromEntries([...query.matchAll(/\$(\w+): ([\w![\]]+)/g)].map(([, name, type]) => [name, type]));
  const [, given] = query.match(/upsertBucket\(input: \{([^}]*)\}/)!;
  const input = [...given!.matchAll(/(\w+): ?\$(\w+)/g)].map(([, field, name]) => `${field}: ${types[name!]}`);
  return { input, asked: query.split(/upsertBucket\(.*?\)/s)[1]!.match(/\w+/g)! };
}
