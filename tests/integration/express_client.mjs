// The classic upload of a Node program, with nothing but what Node brings: fetch, FormData, Blob.
//
//     node express_client.mjs URL IMAGE OUT_DIRECTORY
//
// Sends the image as fields and as JSON operations, writes what comes back, and prints one JSON line per request.
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

const [url, path, out] = process.argv.slice(2);
const bytes = await readFile(path);

async function send(name, query, fields, file = true) {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, String(value));
  if (file) form.append("file", new Blob([bytes], { type: "image/jpeg" }), basename(path));
  const response = await fetch(`${url}/api/images/process${query}`, { method: "POST", body: form });
  const body = Buffer.from(await response.arrayBuffer());
  await writeFile(join(out, name), body);
  const error = response.ok ? undefined : JSON.parse(body).error;
  console.log(JSON.stringify({ name, status: response.status, type: response.headers.get("content-type"), error }));
}

await send("fields", "", { width: 800, height: 600, quality: 80 });
await send("operations", "", { operations: JSON.stringify({ width: 800, height: 600, quality: 80 }) });
await send("sharp", "?preset=sharp", { width: 300, height: 300, quality: 80 });
await send("missing", "", { width: 800 }, false);
await send("misspelt", "", { widht: 800 });
