// SPDX-License-Identifier: Apache-2.0
// What is shown comes as JSON and goes in as text, never as markup.
'use strict';
const $ = id => document.getElementById(id);
const STRIPS = 3;
let asked = 0;
let strips = [];
let index = null;
let playing = null;  // a film's number

function code(seconds, decimals) {
  const value = Math.max(0, seconds);
  const whole = Math.floor(value), h = Math.floor(whole / 3600);
  const two = n => String(n).padStart(2, '0');
  const clock = h ? `${h}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
                  : `${Math.floor(whole / 60)}:${two(whole % 60)}`;
  return decimals ? `${clock}.${Math.floor((value - whole) * 10)}` : clock;
}

function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function say(text, error) {
  $('status').textContent = text;
  $('status').className = error ? 'error' : '';
}

function play(film, seconds, name) {
  const video = $('video');
  const source = `/film/${film}`;
  $('player').hidden = false;
  playing = film;
  $('playing').textContent = `${name}, ${code(seconds)}`;
  const go = () => { video.currentTime = seconds; video.play().catch(() => {}); };
  if (video.getAttribute('src') === source && video.readyState > 0) {
    go();
  } else {
    video.onloadedmetadata = go;
    video.onerror = () => { $('playing').textContent = `${name}: this browser cannot play it`; };
    video.src = source;
  }
  $('player').scrollIntoView({behavior: 'smooth', block: 'nearest'});
}

function frameCard(film, ns, name, seconds) {
  const card = element('button', 'answer');
  const image = element('img');
  image.loading = 'lazy';
  image.alt = '';
  image.src = `/frame/${film}/${ns}`;
  image.addEventListener('error', () =>
    image.replaceWith(element('div', 'none', 'The film cannot be read any more')));
  card.type = 'button';
  card.append(image);
  card.addEventListener('click', () => play(film, seconds, name));
  return card;
}

function filmCard(film) {
  const card = frameCard(film.film, film.ns, film.name, 0);
  const line = element('div', 'line');
  line.append(element('b', '', code(film.length)),
              element('span', '', `${film.frames.toLocaleString()} frames`));
  card.append(line, element('div', 'film', film.name));
  return card;
}

function answerCard(answer, best) {
  const card = frameCard(answer.film, answer.best_ns, answer.name, answer.best);
  const bar = element('div', 'bar'), filled = element('i');
  filled.style.width = `${Math.max(0, Math.min(1, answer.score / best)) * 100}%`;
  bar.append(filled);
  const line = element('div', 'line');
  line.append(element('b', '', code(answer.best, true)),
              element('span', '', code(answer.start) !== code(answer.end)
                ? `${code(answer.start)} – ${code(answer.end)}` : ''),
              element('em', '', answer.score.toFixed(3)));
  card.append(bar, line, element('div', 'film', answer.name));
  return card;
}

function draw(strip) {
  if (!strip.canvas.isConnected) return;
  const canvas = strip.canvas, ratio = window.devicePixelRatio || 1;
  const w = canvas.width = Math.max(1, canvas.clientWidth * ratio);
  const h = canvas.height = Math.max(1, canvas.clientHeight * ratio);
  const context = canvas.getContext('2d');
  const n = strip.points.length, span = strip.high - strip.low || 1;
  const fill = context.createLinearGradient(0, 0, 0, h);
  fill.addColorStop(0, 'rgba(255,181,64,.75)');
  fill.addColorStop(1, 'rgba(255,181,64,.08)');
  context.fillStyle = fill;
  context.strokeStyle = '#ffb540';
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  let begun = false, first = 0, last = 0;
  strip.points.forEach((score, i) => {
    if (score === null) return;
    const x = (i + .5) / n * w;
    const y = h - Math.max(0, Math.min(1, (score - strip.low) / span)) * (h - 6 * ratio);
    if (begun) context.lineTo(x, y); else { context.moveTo(x, y); first = x; }
    begun = true;
    last = x;
  });
  context.stroke();
  context.lineTo(last, h);
  context.lineTo(first, h);
  context.fill();
  // The moments found, and where the film is that plays.
  context.fillStyle = '#ffe2b0';
  for (const moment of strip.moments) {
    const x = moment.start / strip.length * w;
    context.fillRect(x, h - 3 * ratio, Math.max(2 * ratio, moment.end / strip.length * w - x),
                     3 * ratio);
  }
  if (playing === strip.film) {
    context.fillStyle = '#fff';
    context.fillRect($('video').currentTime / strip.length * w - ratio, 0, 2 * ratio, h);
  }
}

function stripRow(data, low, high, answers) {
  const row = element('div', 'strip'), name = element('div', 'name');
  const canvas = element('canvas');
  name.append(element('b', '', data.name),
              element('span', '', `${data.best.toFixed(3)} at most, ${code(data.length)}`));
  row.append(name, canvas);
  const strip = {canvas, points: data.points, low, high, film: data.film, length: data.length,
                 moments: answers.filter(answer => answer.film === data.film &&
                                             answer.score >= (low + high) / 2)};
  canvas.addEventListener('click', event => {
    const at = event.offsetX / canvas.clientWidth * data.length;
    play(data.film, at, data.name);
  });
  canvas.addEventListener('mousemove', event => {
    canvas.title = code(event.offsetX / canvas.clientWidth * data.length);
  });
  strips.push(strip);
  return row;
}

// The answers are what was asked for: of many films only some stand above them.
function moreStrips(rows) {
  const more = element('button', 'more', `${rows.length} more films`);
  more.type = 'button';
  more.addEventListener('click', () => {
    more.replaceWith(...rows);
    strips.forEach(draw);
  });
  return more;
}

function show(result) {
  const best = result.answers.length ? Math.max(result.answers[0].score, 1e-9) : 1;
  strips = [];
  $('answers').replaceChildren(...result.answers.map(a => answerCard(a, best)));
  const rows = result.strips.map(s => stripRow(s, result.low, result.high, result.answers));
  $('strips').replaceChildren(...rows.slice(0, STRIPS));
  if (rows.length > STRIPS) $('strips').append(moreStrips(rows.slice(STRIPS)));
  strips.forEach(draw);
  say(`${result.answers.length} moments among ${result.frames.toLocaleString()} frames, ` +
      `${result.milliseconds.toFixed(0)} ms`);
}

// Before the first question: what there is.
function showFilms() {
  if (!index) return;
  strips = [];
  $('strips').replaceChildren();
  $('answers').replaceChildren(...index.list.map(filmCard));
  say(`${index.frames.toLocaleString()} frames of ${index.films} ` +
      (index.films === 1 ? 'film' : 'films') +
      (index.films > index.list.length ? `, the first ${index.list.length}:` : ''));
}

async function ask(url, options) {
  const turn = ++asked;
  say('Searching …');
  try {
    const response = await fetch(url, options);
    const result = await response.json();
    if (turn !== asked) return;
    if (response.ok) show(result); else say(result.error, true);
  } catch (error) {
    if (turn === asked) say('The server does not answer.', true);
  }
}

function askPicture(file) {
  if (!file) return;
  $('query').value = '';
  ask('/api/similar', {method: 'POST', body: file});
}

$('form').addEventListener('submit', event => {
  event.preventDefault();
  const text = $('query').value;
  if (!text.trim()) return;
  history.replaceState(null, '', '#' + encodeURIComponent(text));
  ask('/api/search?q=' + encodeURIComponent(text));
});
$('file').addEventListener('change', event => askPicture(event.target.files[0]));
$('query').addEventListener('input', event => {
  if (event.target.value || !asked) return;
  asked++;
  history.replaceState(null, '', ' ');
  showFilms();
});
$('close').addEventListener('click', () => {
  $('video').pause();
  $('player').hidden = true;
  playing = null;
  strips.forEach(draw);
});
for (const name of ['timeupdate', 'seeking'])
  $('video').addEventListener(name, () => strips.forEach(draw));
window.addEventListener('resize', () => strips.forEach(draw));
window.addEventListener('dragover', event => { event.preventDefault(); $('drop').hidden = false; });
window.addEventListener('dragleave', event => {
  if (!event.relatedTarget) $('drop').hidden = true;
});
window.addEventListener('drop', event => {
  event.preventDefault();
  $('drop').hidden = true;
  askPicture(event.dataTransfer.files[0]);
});

fetch('/api/index').then(response => response.json()).then(answer => {
  index = answer;
  if (!index.text) {
    $('query').placeholder = 'This index is searched by pictures: drop one';
    $('query').disabled = true;
  }
  if (!asked) showFilms();
}).catch(() => {});
if (location.hash.length > 1) {
  try {
    $('query').value = decodeURIComponent(location.hash.slice(1));
    $('form').requestSubmit();
  } catch (error) { /* a hash that is no text */ }
}
