// Pages on which people wait for others follow by themselves, take nothing away from whoever types, and every page says when
// the station cannot be reached.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Station, browser, open } from './station.mjs';

let station;
let chrome;

/** So many days from now. */
const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** Waits until so many clips of a recorder are sent and looked at: nothing about them changes by itself any more. */
async function atRest(recorder, count) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    const { items } = await (await fetch(`${station.url}/api/v1/clips?recorder=${recorder}`)).json();
    if (items.filter((c) => c.state === 'proven' && c.media_health).length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`not within 90 s: ${count} clips of ${recorder} are sent and looked at`);
}

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  // Nothing but the case is missing.
  await station.roster('采集人甲,36NCC000001,2026-01-01 00:00,2026-12-31 23:59,,东关街18号,现场检查,现场全貌');
});
after(async () => {
  await chrome?.close();
  await station?.stop();
});

test('triage shows what arrives, and the keys stay with their card', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/triage`);
  await page.evaluate(() => { window.neverReloaded = true; });
  assert.equal(await page.locator('.triage > .card').count(), 0);
  await station.dock('dsj', 'bay-1', '--device', '36NCC000001');
  await page.locator('.triage > .card').nth(1).waitFor({ timeout: 60_000 });
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  // By keys to a card; another person decides about another one. A list that has just come hears them once it has settled.
  const current = () => page.evaluate(() => document.querySelector('.triage > .card.current')?.id ?? null);
  let mine = null;
  while (!mine) {
    await page.keyboard.press('j');
    mine = await current();
  }
  const first = await page.locator('.triage > .card').first().getAttribute('id');
  const other = first === mine ? await page.locator('.triage > .card').nth(1).getAttribute('id') : first;
  const decided = await fetch(`${station.url}/api/v1/clips/${other.slice(2)}/decision`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ verdict: 'accept', case_no: '赵卫罚〔2026〕12号' }),
  });
  assert.ok(decided.ok, await decided.text());
  await page.locator(`#${other}`).waitFor({ state: 'detached' });
  // The keys never move to a card that nobody chose. A rule may have taken theirs, too; else they are at it again as soon as
  // the list that came has settled.
  assert.ok([mine, null].includes(await current()));
  await page.waitForFunction((id) => {
    const at = document.querySelector('.triage > .card.current');
    return at === document.getElementById(id);
  }, mine);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what somebody types outlives a refresh, which comes when they are done', { timeout: 240_000 }, async () => {
  const page = await open(chrome);
  await station.dock('dsj', 'bay-3', '--device', '36NCC000003', '--clips', '1');
  // The first thing that changes is to change after somebody has begun to type.
  await Promise.all([atRest('36NCC000001', 3), atRest('36NCC000003', 1)]);
  await page.goto(`${station.url}/triage`);
  await page.locator('.triage > .card').first().waitFor({ timeout: 60_000 });
  const box = page.locator('.triage .card [name=case_no]').first();
  await box.fill('赵卫罚〔2026〕7');
  const news = page.locator('#news');
  assert.equal(await news.isVisible(), false);
  const cards = await page.locator('.triage > .card').count();
  await station.dock('dsj', 'bay-2', '--device', '36NCC000002', '--clips', '2');
  await news.waitFor({ timeout: 60_000 });
  assert.equal(await box.inputValue(), '赵卫罚〔2026〕7');
  // Also where the field has lost the focus.
  await page.locator('h1').click();
  await page.waitForTimeout(1_500);
  assert.equal(await box.inputValue(), '赵卫罚〔2026〕7');
  await box.fill(await box.evaluate((field) => field.defaultValue));
  await page.locator('h1').click();
  await news.waitFor({ state: 'hidden' });
  await page.waitForFunction((n) => document.querySelectorAll('.triage > .card').length > n, cards);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what somebody begins while a refresh is on its way outlives it, too', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/triage`);
  const box = page.locator('.triage > .card [name=case_no]').first();
  await box.waitFor();
  // The answer stays on its way until something is typed.
  let typed;
  const begun = new Promise((resolve) => { typed = resolve; });
  await page.route('**/triage*', async (route) => {
    await begun;
    await route.continue();
  });
  const [asked] = await Promise.all([
    page.waitForRequest((request) => request.headers()['hx-request'] === 'true'),
    station.dock('dsj', 'bay-5', '--device', '36NCC000005', '--clips', '1'),
  ]);
  await box.fill('赵卫罚〔2026〕8');
  typed();
  await asked.response();
  await page.locator('#news').waitFor();
  assert.equal(await box.inputValue(), '赵卫罚〔2026〕8');
  // What waited comes when they are done.
  await box.fill(await box.evaluate((field) => field.defaultValue));
  await page.locator('h1').click();
  await page.locator('#news').waitFor({ state: 'hidden' });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the desk shows what another desk gave out', { timeout: 90_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/desk`);
  await page.locator('[data-scan]').fill('36NCC');
  const issued = await fetch(`${station.url}/api/v1/desk/issue`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ recorder: '36NCC000001', officer: '采集人甲' }),
  });
  assert.ok(issued.ok, await issued.text());
  await page.locator('#live .outs li', { hasText: '36NCC000001' }).waitFor();
  assert.equal(await page.locator('[data-scan]').inputValue(), '36NCC', 'what the scanner began stands');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a clip is verified in front of whoever asks', { timeout: 90_000 }, async () => {
  const { items } = await (await fetch(`${station.url}/api/v1/clips`)).json();
  const page = await open(chrome);
  await page.goto(`${station.url}/clips/${items[0].record_id}`);
  await page.locator('#verify button').click();
  await page.locator('#verify .pill.safe', { hasText: '全部一致' }).waitFor({ timeout: 60_000 });
  await page.locator('#verify li', { hasText: '本机文件' }).getByText('一致').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('reports, samples and reviews show what others did', { timeout: 240_000 }, async () => {
  const api = async (path, body) => {
    const answer = await fetch(station.url + path, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${path}: ${text}`);
    return JSON.parse(text);
  };
  const { items } = await (await fetch(`${station.url}/api/v1/clips`)).json();
  const period = items.map((clip) => clip.captured_start).filter(Boolean).sort()[0].slice(0, 7);
  const paths = [`/reports?period=${period}`, `/sampling?period=${period}`, '/review'];
  const [report, samples, reviews] = await Promise.all(paths.map(async (path) => {
    const page = await open(chrome);
    await page.goto(station.url + path);
    await page.evaluate(() => { window.neverReloaded = true; });
    return page;
  }));
  const shares = await report.locator('#live .shares').innerText();

  await api('/api/v1/samples', { period, count: 2 });
  await samples.locator('#live a[href^="/sampling/"]').first().waitFor();
  assert.match(await samples.locator('#live').getAttribute('hx-get'), /period=/, 'what it was narrowed to holds');
  await samples.locator('#live a[href^="/sampling/"]').first().click();
  await samples.locator('.sampled > li').first().waitFor();
  // All of its questions are counted below.
  await samples.waitForLoadState();
  const one = new URL(samples.url()).pathname;
  await samples.evaluate(() => { window.neverReloaded = true; });
  const form = samples.locator('.sampled > li').first();
  const points = await form.locator('fieldset').count();
  await api(`/api/v1${one.replace('/sampling', '/samples')}/1/judgement`, { points: Array(points).fill('yes'), words: '规范', due: null });
  // A point's own name has the word, too.
  await form.locator('.said', { hasText: '规范' }).waitFor();

  const number = encodeURIComponent('赵卫罚〔2026〕12号');
  await api(`/api/v1/cases/${number}/review`, { until: day(30) });
  await reviews.locator('#live a.caselink', { hasText: '赵卫罚〔2026〕12号' }).waitFor();

  // A report is added up at most twice a minute.
  await station.dock('dsj', 'bay-4', '--device', '36NCC000004', '--clips', '3');
  await report.waitForFunction((was) => document.querySelector('#live .shares').innerText !== was, shares, { timeout: 120_000 });
  for (const page of [report, samples, reviews]) {
    assert.equal(await page.evaluate(() => window.neverReloaded), true);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('a refused judgement stands in its form again, whatever changes meanwhile', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/sampling`);
  await page.locator('#live a[href^="/sampling/"]').first().click();
  const form = page.locator('.sampled > li form.judge').last();
  await form.waitFor();
  // The last one, and all of it.
  await page.waitForLoadState();
  const all = await form.locator('input[value=no]').all();
  for (const radio of all) await radio.check();
  const due = day(30);
  await form.locator('[name=due]').fill(due);
  // What was found is not said.
  await form.locator('button').click();
  await page.locator('[role=alert]').waitFor();
  await page.waitForLoadState();
  const kept = async () => {
    assert.equal(await form.locator('input[value=no]:checked').count(), all.length);
    assert.equal(await form.locator('[name=due]').inputValue(), due);
  };
  await kept();
  const sample = new URL(page.url()).pathname.split('/')[2];
  const judged = await fetch(`${station.url}/api/v1/samples/${sample}/1/judgement`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ points: all.map(() => 'yes'), words: '再看一次', due: null }),
  });
  assert.ok(judged.ok, await judged.text());
  await page.locator('#news').waitFor({ timeout: 60_000 });
  await kept();
  await page.context().close();
});

test('every page says when the station cannot be reached', { timeout: 120_000 }, async () => {
  const pages = await Promise.all(['/triage', '/reports', '/keeping', '/desk', '/sampling', '/review'].map(async (at) => {
    const page = await open(chrome);
    await page.goto(station.url + at);
    return [at, page];
  }));
  await station.stop();
  station = null;
  for (const [at, page] of pages) {
    await page.locator('#lost').waitFor().catch((e) => assert.fail(`${at}: ${e}`));
    await page.context().close();
  }
});
