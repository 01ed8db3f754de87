// The page's second form: many images as one background job, polled until it is done. Uses the functions of app.js.
'use strict';

const batchForm = $('#batch');
let chosenFiles = [];
let jobUrl = null;

function chooseFiles(files) {
  chosenFiles = [...files];
  const total = chosenFiles.reduce((sum, f) => sum + f.size, 0);
  $('#batch-chosen').textContent = chosenFiles.length
    ? `${chosenFiles.length} ${chosenFiles.length === 1 ? 'image' : 'images'}, ${bytes(total)}`
    : 'or drop them here';
}

function showBatchProblem(text) {
  const problem = $('#batch-result .problem');
  problem.textContent = text;
  problem.hidden = !text;
}

function resultItem(item) {
  const li = element('li');
  const name = element('span', item.name || `image ${item.index + 1}`);
  if (item.url) {
    const link = element('a');
    const image = element('img');
    link.href = item.url;
    image.src = item.url;
    image.alt = '';
    image.loading = 'lazy';
    link.append(image);
    li.append(link, name, element('span', `${item.width} × ${item.height}, ${bytes(item.bytes)}`, 'note'));
  } else {
    li.append(name, element('span', item.error ?? 'waiting', item.error ? 'failed' : 'note'));
  }
  return li;
}

const words_of_state = { queued: 'Waiting', running: 'Working', done: 'Done', cancelled: 'Cancelled', failed: 'Failed' };

function showJob(job) {
  const ended = job.done + job.failed;
  const progress = $('#batch-progress');
  progress.max = job.total;
  progress.value = ended;
  const left = job.eta_ms > 0 ? `, about ${Math.ceil(job.eta_ms / 1000)} s left` : '';
  const failed = job.failed ? `, ${job.failed} failed` : '';
  $('#batch-state').textContent = `${words_of_state[job.state]}: ${ended} of ${job.total}${failed}${left}`;
  // Finished ones only, and each once: a picture that is replaced would be loaded again with every look.
  const list = $('#batch-items');
  for (const item of job.items) {
    const id = `item-${item.index}-${item.output}`;
    if (item.status && !document.getElementById(id)) {
      const li = resultItem(item);
      li.id = id;
      list.append(li);
    }
  }
  $('#batch-cancel').hidden = !['queued', 'running'].includes(job.state);
  showBatchProblem(job.error ?? '');
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function followJob(url) {
  while (jobUrl === url) {
    const answer = await fetch(url, { cache: 'no-store' });
    if (!answer.ok) {
      showBatchProblem(await problemText(answer));
      return;
    }
    const job = await answer.json();
    if (jobUrl !== url) return;
    showJob(job);
    if (!['queued', 'running'].includes(job.state)) return;
    await pause(300);
  }
}

async function submitBatch(event) {
  event.preventDefault();
  const place = $('#batch-result');
  place.hidden = false;
  showBatchProblem('');
  if (!chosenFiles.length) {
    showBatchProblem('Choose some images first.');
    return;
  }
  const url = `/api/images/batch?${new URLSearchParams(readOptions(batchForm))}`;
  const body = new FormData();
  for (const f of chosenFiles) body.append('file', f);
  const button = $('button[type="submit"]', batchForm);
  button.disabled = true;
  jobUrl = null;
  $('#batch-items').replaceChildren();
  $('#batch-progress').removeAttribute('value'); // uploading: nobody knows how long
  $('#batch-state').textContent = 'Uploading';
  showLine(place, 'The same with curl', `curl -F file=@a.jpg -F file=@b.jpg -H 'Accept: application/zip' ${shellQuote(location.origin + url)} -o results.zip`);
  try {
    const answer = await fetch(url, { method: 'POST', body, headers: { Prefer: 'respond-async' } });
    if (answer.status === 202) {
      jobUrl = answer.headers.get('Location');
      await followJob(jobUrl);
    } else if (answer.ok) {
      await answer.body?.cancel();
      showBatchProblem('This server keeps no background jobs: spool_dir is not set.');
    } else {
      showBatchProblem(await problemText(answer));
    }
  } catch (error) {
    showBatchProblem(`No answer from the server (${error.message}).`);
  }
  button.disabled = false;
}

async function cancelJob() {
  if (jobUrl) await fetch(jobUrl, { method: 'DELETE' });
}

function startBatch() {
  const drop = $('#batch-drop');
  addControls(batchForm, { w: 800, h: 600 });
  $('#batch-files').addEventListener('change', (event) => chooseFiles(event.target.files));
  drop.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    chooseFiles(event.dataTransfer.files);
  });
  batchForm.addEventListener('submit', submitBatch);
  $('#batch-cancel').addEventListener('click', cancelJob);
}

startBatch();
