// The service as it should be in Node: sharp in worker threads, one for each processor, and a queue before them.
import http from "node:http";
import os from "node:os";
import { Worker, isMainThread, parentPort } from "node:worker_threads";

if (isMainThread) {
  const idle = [], waiting = [];
  const next = () => {
    while (idle.length && waiting.length) {
      const worker = idle.pop(), job = waiting.shift();
      worker.once("message", (result) => {
        idle.push(worker);
        job.done(Buffer.from(result));
        next();
      });
      worker.postMessage(job.image);
    }
  };
  for (let i = 0; i < os.availableParallelism(); i++) idle.push(new Worker(new URL(import.meta.url)));
  http.createServer(async (request, response) => {
    if (request.url === "/healthz") return response.end("ok\n");
    const parts = [];
    for await (const part of request) parts.push(part);
    waiting.push({
      image: Buffer.concat(parts),
      done(result) {
        response.setHeader("Content-Type", "image/jpeg");
        response.end(result);
      },
    });
    next();
  }).listen(Number(process.argv[2]), "127.0.0.1");
} else {
  const { default: sharp } = await import("sharp");
  sharp.concurrency(1); // the threads are as many as the processors already
  sharp.cache(false); // no image comes twice
  parentPort.on("message", async (image) => {
    const out = await sharp(image).autoOrient().resize(800, 600, { fit: "inside" }).jpeg({ quality: 80 }).toBuffer();
    parentPort.postMessage(out);
  });
}
