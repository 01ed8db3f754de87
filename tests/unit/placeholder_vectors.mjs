// Prints placeholder_vectors.h: what the reference implementations make of pictures that test_placeholder.c draws, too.
//
//     npm install --prefix build/placeholder blurhash@2.0.5 thumbhash@0.1.1
//     NODE_PATH=build/placeholder/node_modules node tests/unit/placeholder_vectors.mjs >tests/unit/placeholder_vectors.h
//
// blurhash 2.0.5 takes its largest component without regard to sign, where the implementations in C, Swift and Kotlin
// take the magnitude, as we do; so its part of the table has only pictures in which the largest is positive.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = process.env.NODE_PATH;
const { encode } = createRequire(import.meta.url)(join(process.cwd(), root, "blurhash"));
const { rgbaToThumbHash } = await import(pathToFileURL(join(root, "thumbhash", "thumbhash.js")));

const int = Math.trunc;
const draw = {
  slope: (x, y, w, h) => [
    int((255 * (w - x) * (w - x)) / (w * w)), int((255 * (h - y) * (2 * w - x)) / (2 * h * w)),
    int((255 * x * y) / (w * h)), 255,
  ],
  texture: (x, y) => [255 - ((x * 7 + y * 3) % 256), 255 - ((x * x + y) % 256), 255 - ((x * y) % 256), 255],
  fade: (x, y, w, h) => [200, int((255 * (h - y)) / h), 40, int((255 * x * (w + y)) / (w * (w + h)))],
  island: (x, y, w, h) => [250, 20, 90, x * 3 > w && x * 4 < 3 * w && y * 5 > h && y * 3 < 2 * h ? 255 : 0],
  clear: () => [0, 0, 0, 0],
};

function picture(kind, w, h) {
  const p = new Uint8ClampedArray(w * h * 4);
  for (let y = 0, at = 0; y < h; y++) for (let x = 0; x < w; x++, at += 4) p.set(draw[kind](x, y, w, h), at);
  return p;
}

function onWhite(p) {
  const q = p.slice();
  for (let i = 0; i < q.length; i += 4) {
    for (let c = 0; c < 3; c++) q[i + c] = int((p[i + c] * p[i + 3] + 255 * (255 - p[i + 3]) + 127) / 255);
    q[i + 3] = 255;
  }
  return q;
}

const cases = [
  ["slope", 100, 75], ["slope", 75, 100], ["slope", 32, 32], ["slope", 3, 2], ["texture", 100, 67],
  ["texture", 33, 100], ["fade", 100, 60], ["fade", 20, 90], ["island", 64, 61], ["clear", 10, 10],
];

console.log("/* Made by placeholder_vectors.mjs: kind, width, height, BlurHash, ThumbHash in hexadecimal digits. */");
console.log("/* clang-format off */");
for (const [kind, w, h] of cases) {
  const p = picture(kind, w, h);
  const [nx, ny] = h > w ? [3, 4] : [4, 3];
  const thumb = Buffer.from(rgbaToThumbHash(w, h, p)).toString("hex");
  console.log(`{ ${kind}, ${w}, ${h},\n  ${JSON.stringify(encode(onWhite(p), w, h, nx, ny))},\n  "${thumb}" },`);
}
console.log("/* clang-format on */");
