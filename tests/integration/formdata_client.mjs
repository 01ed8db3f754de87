// Reads an answer of several results as a form, with nothing but what Node brings.
//
//     node formdata_client.mjs URL IMAGE...
//
// Sends the images, and prints the fields that came back as JSON.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const [url, ...paths] = process.argv.slice(2);
const form = new FormData();
for (const path of paths)
  form.append("file", new Blob([await readFile(path)], { type: "image/jpeg" }), basename(path));
const response = await fetch(url, { method: "POST", body: form, headers: { Accept: "multipart/form-data" } });
if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);

const fields = [];
for (const [name, value] of await response.formData()) {
  if (typeof value === "string") fields.push({ name, text: value });
  else {
    const data = Buffer.from(await value.arrayBuffer()).toString("base64");
    fields.push({ name, file: value.name, type: value.type, data });
  }
}
console.log(JSON.stringify(fields));
