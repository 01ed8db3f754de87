// The page: a gallery, a form for uploads, and a playground for one picture. Plain script, no library.
//
// Both the form and the playground have the same controls (a template of the page) and the same place for a result, so
// there is one function that reads controls into options, and one that shows an answer, be it an image or a problem.
'use strict';

const $ = (selector, from = document) => from.querySelector(selector);

const words = {
  404: 'There is no such picture.',
  413: 'The file is larger than the server takes.',
  502: 'The web server is there, but pixpool does not answer.',
  503: 'The server is busy.',
  504: 'The server took too long.',
};

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function bytes(n) {
  if (n < 1000) return `${n} bytes`;
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  return `${(n / 1e6).toFixed(2)} MB`;
}

// For a POSIX shell: in single quotes unless it is plainly harmless.
function shellQuote(text) {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// A path below /img/: each folder and name encoded, the slashes between them not.
function imageUrl(path, options) {
  const query = new URLSearchParams(options).toString();
  return '/img/' + path.split('/').map(encodeURIComponent).join('/') + (query ? `?${query}` : '');
}

// --- controls ---------------------------------------------------------------------------------------------------

let known = null; // the server's option names; null until it has told

function addControls(form, preset) {
  $('.controls', form).append($('#controls').content.cloneNode(true));
  for (const [name, value] of Object.entries(preset)) form.elements[name].value = value;
  form.addEventListener('input', () => { $('output', form).value = form.elements.q.value; });
  offerOnly(form);
}

// Takes out what this server has no option for.
function offerOnly(form) {
  if (!known) return;
  for (const label of form.querySelectorAll('[data-option]')) label.hidden = !known.has(label.dataset.option);
}

// What was chosen, without what is the default anyway.
function readOptions(form) {
  const options = {};
  for (const label of form.querySelectorAll('[data-option]:not([hidden])')) {
    const field = $('input, select', label);
    if (field.value !== '' && !(field.name === 'q' && field.value === '80')) options[field.name] = field.value;
  }
  return options;
}

async function learnOptions() {
  const answer = await fetch('/api/options');
  if (!answer.ok) return;
  known = new Set((await answer.json()).flatMap((o) => [o.name, ...(o.aliases ?? [])]));
  document.querySelectorAll('form').forEach(offerOnly);
}

// --- results ----------------------------------------------------------------------------------------------------

function addResult(place) {
  place.append($('#result').content.cloneNode(true));
  $('.copy button', place).addEventListener('click', async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText($('.copy code', place).textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren($('.copy code', place)); // no clipboard without https: select instead
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
}

// "queue;dur=0.1, decode;dur=16.2" -> [["queue", 0.1], ["decode", 16.2]]
function parseTiming(header) {
  return (header ?? '').split(',').map((part) => part.trim().match(/^([\w-]+);.*?dur=([\d.]+)/)).filter(Boolean)
    .map((m) => [m[1], Number(m[2])]);
}

function showTiming(place, header) {
  const stages = parseTiming(header);
  const total = stages.reduce((sum, s) => sum + s[1], 0);
  $('.timing', place).hidden = total <= 0;
  $('.bar', place).replaceChildren(...stages.map(([, ms], i) => {
    const part = element('i', undefined, `s${i % 5}`);
    part.style.width = `${(100 * ms) / total}%`;
    return part;
  }));
  $('.stages', place).replaceChildren(...stages.map(([name, ms], i) => {
    const item = element('li');
    item.append(element('i', undefined, `s${i % 5}`), `${name} ${ms.toFixed(1)} ms`);
    return item;
  }));
}

function showFacts(place, facts) {
  $('.facts', place).replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => {
    const item = element('div');
    item.append(element('dt', name), element('dd', value));
    return item;
  }));
}

function showProblem(place, text) {
  const problem = $('.problem', place);
  problem.textContent = text;
  problem.hidden = !text;
  if (text) $('.shown', place).hidden = true;
}

// A failed answer in words: pixpool's own if it sent any, else by status, and when to come back.
async function problemText(answer) {
  let text = words[answer.status] ?? `The server answered ${answer.status}.`;
  if ((answer.headers.get('Content-Type') ?? '').includes('json')) {
    const problem = await answer.json().catch(() => ({}));
    if (problem.detail) text = `${problem.title ? `${problem.title}: ` : ''}${problem.detail}`;
  }
  const seconds = Number(answer.headers.get('Retry-After'));
  if (seconds > 0) text += ` Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
  return text;
}

async function showImage(place, answer, sourceBytes, alt) {
  const blob = await answer.blob();
  const image = $('img', place);
  const old = image.src;
  image.src = URL.createObjectURL(blob);
  image.alt = alt;
  await image.decode();
  if (old.startsWith('blob:')) URL.revokeObjectURL(old);
  const of = (name) => answer.headers.get(name);
  const sourceSize = of('X-Source-Width') ? `${of('X-Source-Width')} × ${of('X-Source-Height')}` : '';
  showFacts(place, [
    ['Size', `${image.naturalWidth} × ${image.naturalHeight}`],
    ['Format', blob.type.replace('image/', '').toUpperCase()],
    ['Bytes', bytes(blob.size)],
    ['Source', [sourceSize, sourceBytes && bytes(sourceBytes)].filter(Boolean).join(', ')],
    ['Share of source', sourceBytes && `${((100 * blob.size) / sourceBytes).toFixed(1)} %`],
    ['Note', of('X-Image-Warning')],
  ]);
  showTiming(place, of('Server-Timing'));
  showProblem(place, '');
  $('.shown', place).hidden = false;
}

// Sends a request and shows what comes back. An aborted one shows nothing: a later one has taken its place.
async function run(place, url, request, sourceBytes, alt) {
  place.classList.add('waiting');
  try {
    // What <img> would say; fetch by itself says */*, and format=auto would take that for an old browser.
    const answer = await fetch(url, { ...request, headers: { Accept: 'image/webp,image/*,*/*;q=0.8' } });
    if (answer.ok) await showImage(place, answer, sourceBytes, alt);
    else showProblem(place, await problemText(answer));
    place.classList.remove('waiting');
  } catch (error) {
    if (error.name === 'AbortError') return;
    place.classList.remove('waiting');
    showProblem(place, `No answer from the server (${error.message}).`);
  }
}

function showLine(place, label, text) {
  $('.line .label', place).textContent = label;
  $('.copy code', place).textContent = text;
}

// --- upload -----------------------------------------------------------------------------------------------------

const upload = $('#upload');
let file = null;

function chooseFile(chosen) {
  file = chosen ?? null;
  $('#chosen').textContent = file ? `${file.name}, ${bytes(file.size)}` : 'or drop one here';
}

function curlLine(name, url, type) {
  const extension = { 'image/png': 'png', 'image/webp': 'webp', 'image/jpeg': 'jpg' }[type] ?? 'jpg';
  return `curl -F ${shellQuote(`file=@${name}`)} ${shellQuote(location.origin + url)} -o result.${extension}`;
}

function typeOfResult(options) {
  if (options.format && options.format !== 'auto') return `image/${options.format}`;
  return file.type;
}

async function submitUpload(event) {
  event.preventDefault();
  const place = $('#upload-result');
  place.hidden = false;
  if (!file) {
    showProblem(place, 'Choose an image first.');
    return;
  }
  const options = readOptions(upload);
  const url = `/api/images/process?${new URLSearchParams(options)}`;
  const body = new FormData();
  body.append('file', file);
  showLine(place, 'The same with curl', curlLine(file.name, url, typeOfResult(options)));
  const button = $('button[type="submit"]', upload);
  button.disabled = true;
  await run(place, url, { method: 'POST', body }, file.size, `${file.name}, processed`);
  button.disabled = false;
  place.scrollIntoView({ block: 'nearest' });
}

function startUpload() {
  const drop = $('#drop');
  addControls(upload, { w: 800, h: 600 });
  addResult($('#upload-result'));
  $('#file').addEventListener('change', (event) => chooseFile(event.target.files[0]));
  drop.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    chooseFile(event.dataTransfer.files[0]);
  });
  upload.addEventListener('submit', submitUpload);
}

// --- playground -------------------------------------------------------------------------------------------------

const playground = $('#playground');
const form = $('#options');
let picture = null;
let pending = new AbortController();
let timer = 0;

function refresh() {
  const place = $('#playground-result');
  const url = imageUrl(picture, readOptions(form));
  showLine(place, 'The URL of this image', location.origin + url);
  pending.abort();
  pending = new AbortController();
  run(place, url, { signal: pending.signal }, 0, picture);
}

function openPlayground(path) {
  picture = path;
  $('#playground-title').textContent = path;
  playground.showModal();
  refresh();
}

function startPlayground() {
  addControls(form, { w: 800, format: 'auto' });
  addResult($('#playground-result'));
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 250); // a slider sends many events
  });
  playground.addEventListener('click', (event) => {
    if (event.target === playground) playground.close(); // the backdrop
  });
}

// --- gallery ----------------------------------------------------------------------------------------------------

function thumbnail(path) {
  const at = (scale) => imageUrl(path, { w: 320 * scale, h: 240 * scale, fit: 'cover', format: 'auto' });
  const image = element('img');
  image.loading = 'lazy';
  image.decoding = 'async';
  image.width = 320;
  image.height = 240;
  image.alt = '';
  image.srcset = `${at(1)} 1x, ${at(2)} 2x`;
  image.src = at(1);
  const button = element('button');
  button.type = 'button';
  button.append(image, element('span', path.split('/').pop().replace(/\.\w+$/, '').replaceAll('_', ' ')));
  button.title = path;
  button.addEventListener('click', () => openPlayground(path));
  const item = element('li');
  item.append(button);
  return item;
}

async function loadGallery() {
  const note = $('#pictures-note');
  const answer = await fetch('/gallery.json');
  const paths = answer.ok ? await answer.json() : [];
  $('#pictures').replaceChildren(...paths.map(thumbnail));
  note.textContent = paths.length ? '' : 'There is no JPEG, PNG or WebP file below the image root.';
  note.hidden = paths.length > 0;
}

async function showState() {
  const answer = await fetch('/readyz', { cache: 'no-store' }).catch(() => null);
  const good = answer?.ok ?? false;
  $('#state').className = `state ${good ? 'good' : 'bad'}`;
  $('#state-text').textContent = good ? 'ready' : 'not ready';
}

startUpload();
startPlayground();
showState();
learnOptions();
loadGallery();
