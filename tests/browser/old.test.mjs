// The page in a Chromium of July 2021 (version 92): signing in, the station live, a clip that plays by itself and one as
// a preview, triage by keys, in both languages, light and dark, wide and narrow. A browser of an agency may be that old.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Station, axeSource, open, root } from './station.mjs';

const run = promisify(execFile);
const require = createRequire(path.join(root, '.tools/node-old/package.json'));
const { chromium } = require('playwright-core');
const CASE = '赵卫罚〔2026〕12号';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;

before(async () => {
  [station, chrome] = await Promise.all([
    Station.start(),
    chromium.launch({ executablePath: path.join(root, '.tools/old-chromium/chromium'), args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] }),
  ]);
  assert.match(chrome.version(), /^92\./);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`);
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

/** What it complains about, apart from the style of its own datalist, which it takes for ours. */
const ours = (page) => page.complaints.filter((c) => !c.includes('sha256-pILX+5FGCpLRHvNBgtABIdSMmytrYudGxJBUYXY1t0s='));

/** Waits until half a second was played. (This playwright waits by evaluating text, which our policy forbids.) */
async function played(page, which = 'video') {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await page.locator(which).first().evaluate((v) => v.currentTime) > 0.5) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('nothing plays');
}

/** What the browser can lay out: nothing wider than the screen, nothing that axe-core finds. */
async function clean(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
}

test('every declaration of the style is understood', async () => {
  const page = await open(chrome);
  await page.goto(station.url);
  // The browser drops what it does not know: what is written and what it kept are compared, rule by rule.
  const lost = await page.evaluate(async () => {
    const sheet = [...document.styleSheets].find((s) => s.href.includes('app.css'));
    const written = await (await fetch(sheet.href)).text();
    const kept = [];
    const walk = (rules) => { for (const r of rules) { if (r.cssRules) walk(r.cssRules); if (r.style) kept.push(r); } };
    walk(sheet.cssRules);
    // The innermost braces are the rules, whatever they stand in; nothing of one is part of the next.
    const rules = [...written.replace(/\/\*[^]*?\*\//g, '').matchAll(/([^{}]+)\{([^{}]*)\}/g)].map(([, head, body]) => [head.trim(), body]);
    const declarations = rules.flatMap(([head, body]) => body.split(';').map((d) => d.trim()).filter(Boolean).map((d) => {
      const [name, ...value] = d.split(':');
      return { head, name: name.trim(), value: value.join(':').replace('!important', '').trim() };
    }));
    // A value with a variable is as good as with what the variable holds, wherever it was given that.
    const held = new Map(declarations.filter((d) => d.name.startsWith('--')).map((d) => [d.name, d.value]));
    const plain = (value) => {
      for (let deep = 0; deep < 5 && value.includes('var('); deep++) {
        value = value.replace(/var\(\s*(--[\w-]+)\s*\)/g, (all, name) => held.get(name) ?? all);
      }
      return value;
    };
    const out = [];
    for (const { head, name, value } of declarations) {
      if (name.startsWith('--')) continue;
      const told = plain(value);
      if (told.includes('var(') || !CSS.supports(name, told)) out.push(`${head} { ${name}: ${value} }`);
    }
    for (const [head] of rules) {
      if (head.startsWith('@')) continue;
      try { document.querySelector(head.replace(/::?(before|after|placeholder)/g, '')); } catch { out.push(head); }
    }
    return { out, rules: rules.length, kept: kept.length, declarations: declarations.length };
  });
  assert.equal(lost.kept, lost.rules, 'the browser kept every rule, and every rule was looked at');
  assert.ok(lost.rules > 700 && lost.declarations > 1500, `${lost.rules} rules, ${lost.declarations} declarations`);
  // What makes a page nicer where it is known, and breaks nothing where it is not.
  const harmless = [/text-wrap: balance/, /accent-color/, /-webkit-text-size-adjust/];
  assert.deepEqual(lost.out.filter((l) => !harmless.some((h) => h.test(l))), []);
  await page.context().close();
});

test('a recorder is docked and the open page shows it', { timeout: 180_000 }, async () => {
  const page = await open(chrome);
  await page.goto(station.url);
  await page.evaluate(() => { window.neverReloaded = true; });
  await station.dock('dsj', 'bay-1');
  await page.locator('.bay', { hasText: '36NCC009910' }).getByText('可以取走').waitFor();
  await page.locator('.flow li', { hasText: '云端校验一致' }).locator('strong', { hasText: /^4$/ }).waitFor();
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  assert.deepEqual(ours(page), []);
  await page.context().close();
});

test('a clip plays, and one that no browser plays does as a preview', { timeout: 150_000 }, async () => {
  const card = path.join(station.dir, 'card');
  const dir = path.join(card, 'DCIM/VIDEO/2026-06-19');
  await mkdir(dir, { recursive: true });
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=8', '-c:v', 'mjpeg', '-f', 'avi',
    path.join(dir, 'DSJ_36NCC000002_110203_20260619_094200.mp4')]);
  await rename(card, path.join(station.state, 'docks', 'bay-3'));
  const probed = async (query) => {
    for (;;) {
      const { items } = await (await fetch(`${station.url}/api/v1/clips?${query}`)).json();
      const found = items.find((c) => c.media_health);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const page = await open(chrome);
  await probed(`case=${encodeURIComponent(CASE)}`);
  await page.goto(`${station.url}/clips?case=${encodeURIComponent(CASE)}`);
  await page.locator('tbody tr a').first().click();
  const video = page.locator('video');
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await played(page);
  await page.locator('[data-act=on]').click();
  await page.locator('[data-act=from]').click();
  assert.match(page.url(), /\?t=\d/);
  const derived = await probed('recorder=36NCC000002');
  await page.goto(`${station.url}/clips/${derived.record_id}`);
  await page.getByText('派生预览，不是证据原件。').first().waitFor();
  await page.locator('video').evaluate((v) => { v.muted = true; return v.play(); });
  await played(page);
  assert.deepEqual(ours(page), []);
  await page.context().close();
});

test('a review takes the place of the player for a note, and puts a document beside it', { timeout: 90_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/review/${encodeURIComponent(CASE)}`);
  await page.locator('.choose a[data-beside]').first().click();
  await page.locator('#player video').evaluate((v) => { v.muted = true; return v.play(); });
  await played(page);
  await page.locator('[data-note-take]').click();
  assert.match(await page.locator('[data-note-at]').inputValue(), /^\d+:\d\d$/);
  assert.equal(await page.locator('#player video').evaluate((v) => v.paused), true);
  assert.deepEqual(ours(page), []);
  await page.context().close();
});

test('clips of a case play together', { timeout: 90_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}/together`);
  await page.locator('.transport:not([hidden])').waitFor();
  await page.locator('.tile video').first().waitFor();
  await page.locator('.transport [data-act=play]').click();
  await played(page, '.tile video');
  assert.deepEqual(ours(page), []);
  await page.context().close();
});

test('triage goes by keys', { timeout: 180_000 }, async () => {
  await station.dock('dsj', 'bay-2', '--device', '36NCC000001');
  // All three, sent and looked at: nothing about them changes by itself while somebody types.
  for (;;) {
    const { items } = await (await fetch(`${station.url}/api/v1/clips?recorder=36NCC000001`)).json();
    if (items.filter((c) => c.state === 'proven' && c.media_health).length >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const page = await open(chrome);
  await page.goto(`${station.url}/triage`);
  await page.locator('.triage > .card.current').waitFor();
  await page.keyboard.press('n');
  await page.keyboard.type('赵卫罚[2026]78');
  await page.keyboard.press('Enter');
  await page.getByText('已关联 赵卫罚〔2026〕78号').waitFor();
  // Keys are heard once a card is chosen.
  await page.locator('.triage > .card.current').waitFor();
  await page.keyboard.press('u');
  await page.getByText('的处理已撤销').waitFor();
  assert.deepEqual(ours(page), []);
  await page.context().close();
});

test('signing in, and the pages behind the door', { timeout: 120_000 }, async () => {
  const { password } = await station.evidock('user', 'first', 'boss');
  const archivist = await station.evidock('user', 'add', 'wen', '--role', 'archivist');
  for (const [name, first, locale, colorScheme, width] of [['boss', password, 'zh-CN', 'light', 1440], ['wen', archivist.password, 'en', 'dark', 390]]) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await page.goto(`${station.url}/signin`);
    await clean(page, `the door ${locale}`);
    await page.locator('[name=name]').fill(name);
    await page.locator('[name=password]').fill(first);
    await page.locator('.gate button.main').click();
    await page.locator('[name=present]').fill(first);
    await page.locator('[name=new]').fill(PASSWORD);
    await page.locator('[name=again]').fill(PASSWORD);
    await page.locator('form[action="/account/password"] button').click();
    await page.locator('.notice.safe').waitFor();
    const pages = await page.locator('.top nav a').evaluateAll((links) => links.map((a) => a.getAttribute('href')));
    for (const at of ['/account', ...pages, ...(name === 'wen' ? [`/cases/${encodeURIComponent(CASE)}`] : [])]) {
      await page.goto(station.url + at);
      await clean(page, `${at} ${locale} ${colorScheme} ${width}`);
    }
    assert.deepEqual(ours(page), []);
    await page.context().close();
  }
});
