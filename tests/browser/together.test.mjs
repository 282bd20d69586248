// Two recorders at one scene, watched together: both pictures at the same instant of capture, what nobody recorded skipped,
// what the browser cannot play as a preview that says so, marks in the address, the way there from the case and back to
// the clip at that very second.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const run = promisify(execFile);
const CASE = '赵卫罚〔2026〕12号';
/** Six recorders at one scene at the same time, of which two tell other rates. */
const CROWD = '赵卫罚〔2026〕13号';
const RATES = [15, '30000/1001', 25, 25, 25, 25];
let station;
let chrome;

async function film(file, seconds, ...encoding) {
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${seconds}`,
    '-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=8000:duration=${seconds}`, ...encoding, file]);
}

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-f', 'mp4'];
  const cards = [];
  for (const [device, bay, clips] of [
    ['36NCC009910', 'bay-1', [['091200', 20, h264], ['093000', 8, h264]]],
    ['36NCC009874', 'bay-2', [['091210', 14, ['-c:v', 'mjpeg', '-q:v', '5', '-c:a', 'pcm_alaw', '-f', 'avi']]]],
  ]) {
    const card = path.join(station.dir, `card-${bay}`);
    const dir = path.join(card, 'DCIM/VIDEO/2026-06-19');
    await mkdir(dir, { recursive: true });
    await Promise.all(clips.map(([time, seconds, how]) => film(path.join(dir, `DSJ_${device}_110203_20260619_${time}.mp4`), seconds, ...how)));
    cards.push([card, bay]);
  }
  const crowd = RATES.map((rate, n) => [`36NCC00991${n + 1}`, `bay-${n + 3}`, rate]);
  for (const [device, bay, rate] of crowd) {
    const card = path.join(station.dir, `card-${bay}`);
    const dir = path.join(card, 'DCIM/VIDEO/2026-06-20');
    await mkdir(dir, { recursive: true });
    // The name of each in its sound, so that no two are the same file.
    await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=${rate}:duration=10`,
      '-f', 'lavfi', '-i', `sine=frequency=${300 + cards.length * 20}:sample_rate=8000:duration=10`, ...h264,
      path.join(dir, `DSJ_${device}_110203_20260620_100000.mp4`)]);
    cards.push([card, bay]);
  }
  const facts = `2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`;
  await station.roster(`采集人甲,36NCC009910,${facts}`, `采集人乙,36NCC009874,${facts}`,
    ...crowd.map(([device], n) => `采集人${n},${device},2026-01-01 00:00,2026-12-31 23:59,${CROWD},东关街18号,现场检查,现场全貌`));
  for (const [card, bay] of cards) await rename(card, path.join(station.state, 'docks', bay));
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    const of = async (no) => (await (await fetch(`${station.url}/api/v1/clips?case=${encodeURIComponent(no)}`)).json()).items;
    const items = [...await of(CASE), ...await of(CROWD)];
    if (items.length === 3 + RATES.length && items.every((c) => c.duration_ms)) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

/** Where each picture stands on the axis of capture, milliseconds; null where there is none. */
const places = (page) => page.evaluate(() => [...document.querySelectorAll('.tile')].map((tile) => {
  const video = tile.querySelector('video');
  const link = tile.querySelector('[data-part=open]');
  if (link.hidden || video.readyState < 2) return null;
  const id = /clips\/([^?]+)/.exec(link.href)[1];
  return Number(document.querySelector(`rect[data-clip="${id}"]`).dataset.start) + video.currentTime * 1000;
}));
const settled = (page, check) => page.waitForFunction(check, null, { timeout: 60_000 });
/** Each picture is there and has come to where the page wants it, which its link to the clip tells. */
const rested = (page) => settled(page, () => [...document.querySelectorAll('.tile')].every((tile) => {
  const video = tile.querySelector('video');
  const link = tile.querySelector('[data-part=open]');
  if (link.hidden) return true;
  return video.readyState >= 2 && !video.seeking && Math.abs(video.currentTime - Number(new URL(link.href).searchParams.get('t'))) < 0.05;
}));

test('both pictures show the same instant, and follow the axis', { timeout: 180_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}`);
  await page.getByRole('link', { name: '同步播放' }).click();
  // Its script shows them.
  await page.locator('[data-part=transport]').waitFor();
  assert.equal(await page.locator('.tile').count(), 2);
  const start = await page.locator('g.stretch').first().getAttribute('data-start').then(Number);
  // Fifteen seconds in, where both recorded.
  const seek = page.locator('[data-part=seek]');
  await seek.evaluate((e) => { e.value = 15_000; e.dispatchEvent(new Event('input')); });
  await settled(page, () => [...document.querySelectorAll('.tile video')].every((v) => v.readyState >= 2 && !v.seeking && v.videoWidth > 0));
  await settled(page, () => document.querySelector('#together').dataset.ready === '1');
  await rested(page);
  const [one, two] = await places(page);
  assert.ok(Math.abs(one - (start + 15_000)) < 60 && Math.abs(two - one) < 200, `${one - start} ${two - start}`);
  assert.equal(await page.locator('.tile').nth(1).getByText('派生预览，不是证据原件。').isVisible(), true, 'what is derived says so');
  assert.equal(await page.locator('.tile').nth(0).getByText('派生预览，不是证据原件。').isVisible(), false);

  await page.keyboard.press('k');
  await page.waitForFunction((s) => Number(document.querySelector('[data-part=seek]').value) > s, 16_500, { timeout: 60_000 });
  // What runs ahead is held back, which takes a moment; on a full machine pictures come when they can.
  const apart = [];
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const [three, four] = await places(page);
    apart.push(three !== null && four !== null ? Math.round(Math.abs(three - four)) : null);
    if (apart.at(-1) !== null && apart.at(-1) < 400) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(apart.at(-1) !== null && apart.at(-1) < 400, `they run together: ${apart} ms apart`);
  // What nobody recorded for a quarter of an hour is skipped: the axis goes on in the next stretch.
  await seek.evaluate((e) => { e.value = 23_500; e.dispatchEvent(new Event('input')); });
  await page.waitForFunction(() => Number(document.querySelector('[data-part=seek]').value) > 24_500, null, { timeout: 60_000 });
  const later = await page.locator('[data-part=now]').textContent();
  assert.match(later, /09:30:0\d$/);
  await page.getByRole('button', { name: '暂停' }).click();

  // Frames, marks, and the way to the clip at that very instant.
  await seek.evaluate((e) => { e.value = 12_000; e.dispatchEvent(new Event('input')); });
  await page.keyboard.press('.');
  // The picture of the stretch before comes back first, which takes a moment.
  let stepped = null;
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    await settled(page, () => document.querySelector('#together').dataset.ready === '1' && ![...document.querySelectorAll('.tile video')].some((v) => v.seeking));
    [stepped] = await places(page);
    if (stepped !== null && Math.abs(stepped - (start + 12_040)) < 30) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(stepped !== null && Math.abs(stepped - (start + 12_040)) < 30, `${stepped - start}`);
  await page.keyboard.press('i');
  await page.keyboard.press('l');
  await page.keyboard.press('o');
  await page.waitForURL(/from=\d+&to=\d+/);
  assert.equal(await page.locator('[data-part=link]').inputValue(), page.url());
  // The link follows with the next picture.
  await page.locator('.tile').first().locator('[data-part=open][href*="?t=17.0"]').waitFor();
  // What came through the station was verified, and is drawn as what was seen.
  await page.locator('[data-part=verified]').waitFor({ timeout: 60_000 });
  await page.locator('[data-seen="0"] rect').first().waitFor({ state: 'attached', timeout: 60_000 });
  const again = await open(chrome);
  await again.goto(page.url());
  await settled(again, () => document.querySelector('#together').dataset.ready === '1');
  await rested(again);
  assert.ok(Math.abs((await places(again))[0] - (start + 12_040)) < 60, 'the link leads to the mark');
  await again.context().close();
  assert.deepEqual(page.complaints.filter((c) => !c.includes('Failed to load')), []);
  // Each clip that was watched has it in its custody.
  const watched = await page.locator('.axislanes a').first().getAttribute('href');
  assert.match(await (await page.request.get(station.url + watched)).text(), /播放/);
  await page.context().close();
});

test('of six at one time four load, and the page still answers; another one comes in turn', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CROWD)}/together`);
  const loading = () => page.locator('.tile video[src]').count();
  await settled(page, () => document.querySelector('#together').dataset.ready === '1');
  assert.equal(await loading(), 4);
  assert.equal(await page.locator('.tile [data-part=full]:visible').count(), 2, 'the others say why they do not');
  await page.keyboard.press('k');
  await page.waitForFunction(() => Number(document.querySelector('[data-part=seek]').value) > 1_000, null, { timeout: 60_000 });
  // While they play, what the page itself asks is answered at once.
  const ms = await page.evaluate(async () => {
    const begun = performance.now();
    for (let n = 0; n < 5; n++) await (await fetch('/api/v1/bays', { cache: 'no-store' })).text();
    return performance.now() - begun;
  });
  assert.ok(ms < 10_000, `five requests took ${ms} ms`);
  assert.equal(await loading(), 4);
  await page.keyboard.press('k');
  await page.locator('.tile').nth(5).getByRole('button').click();
  await page.locator('.tile').nth(5).locator('[data-part=full]').waitFor({ state: 'hidden' });
  await settled(page, () => document.querySelectorAll('.tile')[5].querySelector('video').readyState >= 2);
  assert.equal(await loading(), 4, 'the last of those before it gave way');
  assert.deepEqual(page.complaints.filter((c) => !c.includes('Failed to load')), []);
  await page.context().close();
});

test('a step goes to the next picture of whichever recorder has it first', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CROWD)}/together`);
  const start = await page.locator('g.stretch').first().getAttribute('data-start').then(Number);
  const rates = await page.locator('rect[data-clip]').evaluateAll((all) => all.map((r) => Number(r.dataset.fps)));
  assert.deepEqual(rates.map((fps) => Math.round(fps)).sort((a, b) => a - b), [15, 25, 25, 25, 25, 30], 'each as it was recorded');
  const now = async () => {
    await page.locator('[data-act=from]').click();
    return Number(new URL(page.url()).searchParams.get('from')) - start;
  };
  // From the begin of the fourth second, where all of them begin a picture (29.97 a little later).
  const seek = (ms) => page.locator('[data-part=seek]').evaluate((e, to) => { e.value = to; e.dispatchEvent(new Event('input')); }, ms);
  await seek(3_000);
  const told = [];
  for (let n = 0; n < 5; n++) {
    await page.keyboard.press('.');
    told.push(await now());
  }
  // Pictures begin at 3003.0, 3036.4, 3069.8 (29.97), 3040, 3080 (25), 3066.7 (15).
  for (const [n, wanted] of [3_005, 3_038, 3_042, 3_069, 3_072].entries()) {
    assert.ok(Math.abs(told[n] - wanted) <= 2, `${told} at step ${n + 1}`);
  }
  await page.keyboard.press(',');
  assert.ok(Math.abs(await now() - 3_069) <= 2, 'and back the same way');
  await page.keyboard.press(',');
  assert.ok(Math.abs(await now() - 3_042) <= 2);
  await page.context().close();
});

test('without a script each clip is a link; axe-core finds nothing, wide and narrow', { timeout: 120_000 }, async () => {
  const at = `${station.url}/cases/${encodeURIComponent(CASE)}/together`;
  const bare = await open(chrome, { javaScriptEnabled: false });
  await bare.goto(at);
  assert.equal(await bare.locator('.axislanes a').count(), 3);
  await bare.context().close();
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 } });
    await page.goto(at);
    await settled(page, () => document.querySelector('#together').dataset.ready === '1');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `at ${width} px it scrolls sideways by ${wide} px`);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], `${locale} ${colorScheme} ${width}`);
    if (process.env.EVIDOCK_SCREENSHOTS) await page.screenshot({ path: path.join(process.env.EVIDOCK_SCREENSHOTS, `together-${locale}-${colorScheme}-${width}.png`), fullPage: true });
    await page.context().close();
  }
});
