// Posts so many zeros after a file's bytes over HTTP/2, and prints what comes back: node h2_client.mjs URL FILE ZEROS
import fs from "node:fs";
import http2 from "node:http2";

const [url, file, zeros] = process.argv.slice(2);
const { origin, pathname, search } = new URL(url);
const session = http2.connect(origin);
session.on("error", (e) => console.log(JSON.stringify({ error: e.message })));
session.on("remoteSettings", (s) => {
  const request = session.request({ ":method": "POST", ":path": pathname + search, "content-type": "image/png" });
  let told, bytes = 0;
  request.on("response", (headers) => (told = headers));
  request.on("data", (piece) => (bytes += piece.length));
  request.on("error", () => {}); // what is left to send is not wanted
  request.on("close", () => {
    console.log(JSON.stringify({ window: s.initialWindowSize, status: told?.[":status"], retryAfter: told?.["retry-after"], bytes }));
    session.destroy();
  });
  request.write(fs.readFileSync(file));
  request.end(Buffer.alloc(Number(zeros)));
});
