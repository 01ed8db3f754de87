// The service as it is often begun: pure JavaScript, resized where requests are answered. While one image is at work,
// nothing else is: no other image, no health check.
import http from "node:http";
import { Jimp } from "jimp";

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

http.createServer(async (request, response) => {
  if (request.url === "/healthz") return response.end("ok\n");
  const image = await Jimp.read(await body(request));
  image.scaleToFit({ w: 800, h: 600 });
  response.setHeader("Content-Type", "image/jpeg");
  response.end(await image.getBuffer("image/jpeg", { quality: 80 }));
}).listen(Number(process.argv[2]), "127.0.0.1");
