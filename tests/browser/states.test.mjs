// Every page in every state that the program has (tests/web/states.rs finds them): at 1440 and 390 pixels, light and dark,
// in both languages, axe-core finds nothing, nothing is wider than the screen, the browser complains of nothing and the
// content security policy is hit by nothing. Each is kept as a picture under target/screenshots/states.
//
// With EVIDOCK_TEST_FULL=1 each state is looked at in all eight looks. The short form takes one state of every page, unlike
// ones for unlike pages, in one look. STATES=word looks only at those whose name has the word, and at all of them.

import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Scene, axeSource, browser, ours, root } from './station.mjs';

const out = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'screenshots/states');
const LANES = 2;
// Neighbours differ in everything: what two states of a page have in common is seen in unlike looks.
const LOOKS = [
  ['zh', 'light', 1440], ['en', 'dark', 390], ['en', 'light', 1440], ['zh', 'dark', 390],
  ['zh', 'dark', 1440], ['en', 'light', 390], ['en', 'dark', 1440], ['zh', 'light', 390],
];
let scene;
let chrome;

before(async () => {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  [scene, chrome] = await Promise.all([Scene.states(), browser()]);
});

after(async () => {
  await chrome?.close();
  scene?.stop();
});

/** A window that remembers what the browser complains about. */
async function lane() {
  const context = await chrome.newContext({ reducedMotion: 'reduce' });
  await context.addInitScript(() => {
    window.violated = [];
    document.addEventListener('securitypolicyviolation', (e) => window.violated.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  // Where an answer is meant to be an error, the browser says so; so does footage of a scene, which is none.
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && page.complaints.push(m.text()));
  page.on('request', (r) => !ours(r.url()) && page.complaints.push(`asked ${r.url()}`));
  return { context, page };
}

/** One state of every page, whoever sees it: the further on the later the page comes. */
function shortened(states) {
  const pages = new Map();
  for (const state of states) {
    const page = state.name.slice(state.name.indexOf(' ', state.name.indexOf(' ') + 1)).replace(/[0-9a-f]{8}-[0-9a-f-]+/g, '#').replace(/\d+/g, '#');
    pages.set(page, [...pages.get(page) ?? [], state]);
  }
  return [...pages.values()].map((of, n) => of[n % of.length]);
}

/** What an eye sees at once, and no rule of accessibility asks for. Runs in the page. */
function askew() {
  const found = [];
  const [brand, main] = [document.querySelector('.top .brand'), document.querySelector('main')];
  if (brand && main) {
    const off = brand.getBoundingClientRect().left - main.getBoundingClientRect().left - parseFloat(getComputedStyle(main).paddingLeft);
    if (Math.abs(off) > 1) found.push(`the header stands ${off} px beside the page`);
  }
  for (const chosen of document.querySelectorAll('nav [aria-current]')) {
    const [at, bar] = [chosen, chosen.parentElement].map((e) => e.getBoundingClientRect());
    if (at.left < bar.left - 1 || at.right > bar.right + 1) found.push(`${chosen.textContent.trim()} is chosen and out of sight`);
  }
  const torn = [...document.querySelectorAll('td time, .board em')].filter((e) => e.getClientRects().length > 1);
  if (torn.length) found.push(`${torn.length} times or figures go over two lines, as ${torn[0].textContent}`);
  return found;
}

/** What is wrong with a state in a look. */
async function look({ context, page }, state, [lang, colorScheme, width], name) {
  page.complaints.length = 0;
  const { origin } = new URL(state.url);
  await context.clearCookies();
  const cookies = [`lang=${lang}`, ...state.cookie.split('; ').filter(Boolean)];
  await context.addCookies(cookies.map((c) => ({ name: c.split('=')[0], value: c.slice(c.indexOf('=') + 1), url: origin })));
  await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
  await page.emulateMedia({ colorScheme });
  await page.goto(state.url, { waitUntil: 'load' });
  const wrong = [];
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) {
    const who = await page.evaluate(() => [...document.querySelectorAll('main *, header *')]
      .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest('.scroll, .tablewrap, svg'))
      .slice(0, 4).map((e) => `${e.tagName.toLowerCase()}.${e.className}`));
    wrong.push(`scrolls sideways by ${wide} px: ${who.join(', ')}`);
  }
  wrong.push(...await page.evaluate(askew));
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] }));
  wrong.push(...violations.map((v) => `${v.id}: ${v.nodes.slice(0, 4).map((n) => n.target.join(' ')).join(', ')}`));
  wrong.push(...await page.evaluate(() => window.violated), ...page.complaints);
  await page.screenshot({ path: path.join(out, `${name}-${lang}-${colorScheme}-${width}.jpg`), type: 'jpeg', quality: 65, fullPage: true });
  return wrong;
}

test('every page in every state', { timeout: process.env.EVIDOCK_TEST_FULL ? 7_000_000 : 1_800_000 }, async () => {
  const { STATES, EVIDOCK_TEST_FULL } = process.env;
  const states = STATES ? scene.states.filter((s) => s.name.includes(STATES)) : EVIDOCK_TEST_FULL ? scene.states : shortened(scene.states);
  const due = states.flatMap((state) => {
    const n = scene.states.indexOf(state);
    const looks = EVIDOCK_TEST_FULL ? LOOKS : [LOOKS[n % LOOKS.length]];
    return looks.map((l) => [state, l, String(n).padStart(3, '0')]);
  });
  assert.ok(due.length > 0, 'there are states');
  const found = [];
  const begun = Date.now();
  const work = async () => {
    const mine = await lane();
    for (let next = due.shift(); next; next = due.shift()) {
      const [state, how, n] = next;
      const name = `${n}-${state.name.replace(/%[0-9A-F]{2}|[^a-z0-9]+/gi, '-').slice(0, 80)}`;
      const wrong = await look(mine, state, how, name);
      found.push(...wrong.map((w) => `${n} ${state.name} [${how}]: ${w}`));
    }
    await mine.context.close();
  };
  await Promise.all(Array.from({ length: LANES }, work));
  console.log(`${states.length} of ${scene.states.length} states, ${((Date.now() - begun) / 1000).toFixed(0)} s; pictures in ${out}`);
  assert.deepEqual(found, []);
});
