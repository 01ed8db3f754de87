// sharp as a peer: one JSON order a line on stdin, one JSON answer a line on stdout. Single thread, caches off, so that
// every repetition is a whole job, as every request of a service is.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const sharp = createRequire(process.env.SHARP_FROM + '/')('sharp');
sharp.concurrency(1);
sharp.cache(false);

const encoders = {
    jpeg: (p, o) => p.jpeg({ quality: o.q, optimiseCoding: o.optimise ?? true }),
    png: (p) => p.png(),
    webp: (p, o) => p.webp({ quality: o.q, effort: o.effort }),
};

function one(pipeline, o) {
    const box = { width: o.w, height: o.h || undefined, fit: o.fit ?? 'inside', withoutEnlargement: o.fit !== 'cover' };
    return encoders[o.format](pipeline.rotate().resize(box), o).toBuffer();
}

// The fastest way that sharp's users know to make several sizes: decode once to raw pixels, at the largest size.
async function reuseRaw(bytes, outputs) {
    const big = Math.max(...outputs.map((o) => o.w));
    const { data, info } = await sharp(bytes).rotate().resize({ width: big }).raw().toBuffer({ resolveWithObject: true });
    const raw = { width: info.width, height: info.height, channels: info.channels };
    return Promise.all(outputs.map((o) => encoders[o.format](sharp(data, { raw }).resize({ width: o.w }), o).toBuffer()));
}

async function run(order, bytes) {
    if (order.reuse)
        return reuseRaw(bytes, order.outputs);
    const results = [];
    for (const o of order.outputs)
        results.push(await one(sharp(bytes), { ...o, optimise: order.optimise }));
    return results;
}

for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const bytes = readFileSync(order.src);
    const cpu_ms = [];
    let results;
    for (let i = 0; i < order.repeat; i++) {
        const t = process.cpuUsage();
        results = await run(order, bytes);
        const d = process.cpuUsage(t);
        cpu_ms.push((d.user + d.system) / 1000);
    }
    order.outputs.forEach((o, i) => o.to && writeFileSync(o.to, results[i]));
    const answer = { cpu_ms, bytes: results.map((r) => r.length), rss_kb: process.resourceUsage().maxRSS };
    process.stdout.write(JSON.stringify(answer) + '\n');
}
