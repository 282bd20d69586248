// The player in a real browser: what it cannot play is previewed and says so, any place of it is there, frames are
// stepped, marks stand in the address, the contact sheet leads to places, and what was verified is shown.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const run = promisify(execFile);
const SECONDS = 20;
let station;
let chrome;
let clips;

/** Films that tell their second by a clock in the picture. */
async function film(file, ...encoding) {
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${SECONDS}`,
    '-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=8000:duration=${SECONDS}`, ...encoding, file]);
}

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  const card = path.join(station.dir, 'card');
  const dir = path.join(card, 'DCIM/VIDEO/2026-06-19');
  await mkdir(dir, { recursive: true });
  const named = (time) => path.join(dir, `DSJ_36NCC009910_110203_20260619_${time}.mp4`);
  await Promise.all([
    film(named('091200'), '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error:keyint=50', '-c:a', 'aac', '-f', 'mp4'),
    film(named('092700'), '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-f', 'mp4'),
    film(named('094200'), '-c:v', 'mjpeg', '-q:v', '5', '-c:a', 'pcm_alaw', '-f', 'avi'),
  ]);
  await rename(card, path.join(station.state, 'docks', 'bay-1'));
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    const { items } = await (await fetch(`${station.url}/api/v1/clips`)).json();
    if (items.length === 3 && items.every((c) => c.media_health)) {
      clips = await Promise.all(items.map(async (c) => (await fetch(`${station.url}/api/v1/clips/${c.record_id}`)).json()));
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

const clipOf = (codec) => clips.find((c) => c.vcodec === codec);
const at = (page) => page.locator('video').evaluate((v) => v.currentTime);
const reached = (page, seconds) => page.waitForFunction(
  (s) => { const v = document.querySelector('video'); return !v.seeking && v.readyState >= 2 && Math.abs(v.currentTime - s) < 0.3; }, seconds, { timeout: 60_000 });

for (const codec of ['h265', 'mjpeg']) {
  test(`${codec} plays as a preview that says what it is`, { timeout: 180_000 }, async () => {
    const page = await open(chrome);
    await page.goto(`${station.url}/clips/${clipOf(codec).record_id}`);
    await page.getByText('派生预览，不是证据原件。').first().waitFor();
    const video = page.locator('video');
    await video.evaluate((v) => { v.muted = true; return v.play(); });
    await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5, null, { timeout: 90_000 });
    assert.ok(await video.evaluate((v) => v.videoWidth) > 0, 'there is a picture');
    assert.ok(Math.abs(await video.evaluate((v) => v.duration) - SECONDS) < 0.3, 'the whole length stands on the axis at once');
    // Across pieces without a stop, then far ahead.
    await page.waitForFunction(() => document.querySelector('video').currentTime > 6.5, null, { timeout: 90_000 });
    await video.evaluate((v) => { v.currentTime = 17; });
    await reached(page, 17);
    await page.waitForFunction(() => document.querySelector('video').ended, null, { timeout: 90_000 });
    assert.equal(await page.locator('[data-part=verified]').isVisible(), false, 'a preview was never sealed: nothing of it is called verified');
    assert.deepEqual(page.complaints, []);
    const { status } = await page.request.get(`${station.url}/clips/${clipOf(codec).record_id}/media`).then((r) => ({ status: r.status() }));
    assert.equal(status, 200, 'the original is what is downloaded');
    await page.context().close();
  });
}

test('frames are stepped, marks stand in the address and in the link', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/clips/${clipOf('h264').record_id}?t=3`);
  await reached(page, 3);
  assert.equal(await page.locator('[data-part=derived]').isVisible(), false, 'what plays by itself is no preview');
  const before = await at(page);
  for (let n = 0; n < 3; n++) await page.locator('[data-act=on]').click();
  await reached(page, before + 3 / 25);
  assert.ok(Math.abs(await at(page) - before - 3 / 25) < 0.03, `three frames on: ${before} ${await at(page)}`);
  await page.locator('video').focus();
  await page.keyboard.press(',');
  await reached(page, before + 2 / 25);
  await page.locator('[data-act=from]').click();
  await page.locator('video').evaluate((v) => { v.currentTime = 5; });
  await reached(page, 5);
  await page.locator('[data-act=to]').click();
  const marked = new URL(page.url()).searchParams.get('t');
  assert.match(marked, /^3\.\d+,5(\.\d+)?$/);
  assert.equal(await page.locator('[data-part=link]').inputValue(), page.url());
  await page.locator('[data-part=speed]').selectOption('2');
  assert.equal(await page.locator('video').evaluate((v) => v.playbackRate), 2);
  await page.locator('video').evaluate((v) => { v.muted = true; });
  // A browser tells four times a second where it is, and later where the machine is busy. Played slowly, it is not far beyond
  // the mark by then.
  await page.locator('[data-part=speed]').selectOption('0.5');
  await page.locator('[data-act=stretch]').click();
  await page.waitForFunction(() => { const v = document.querySelector('video'); return v.paused && v.currentTime >= 5; });
  assert.ok(await at(page) < 5.6, 'the part ends at its mark');
  // The link leads there again, for whoever has no script, too.
  const linked = await open(chrome, { javaScriptEnabled: false });
  await linked.goto(page.url());
  assert.match(await linked.locator('video').getAttribute('src'), /#t=3\.\d+,5/);
  await linked.context().close();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('as verified is shown what the station says, and no more', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  const { record_id: id, size_bytes: whole } = clipOf('h264');
  await page.goto(`${station.url}/clips/${id}`);
  assert.equal(await page.locator('[data-part=verified]').isVisible(), false, 'nothing came yet');
  await page.locator('video').evaluate((v) => { v.muted = true; return v.play(); });
  await page.locator('[data-part=verified]').waitFor();
  await page.waitForFunction((n) => Number(document.querySelector('[data-part=ranges]').dataset.bytes) === n, whole, { timeout: 60_000 });
  const said = await page.evaluate(async (clip) => (await fetch(`/clips/${clip}/verified`)).json(), id);
  assert.deepEqual(said.ranges, [[0, whole]]);
  assert.match(await page.locator('[data-part=verified]').innerText(), /送出前已与入库摘要核对：.*MB/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what the station does not give out is no encoding that cannot be played', { timeout: 240_000 }, async () => {
  for (const [status, said] of [[403, '本站没有提供这份资料'], [429, '现在读不到这份资料'], [503, '现在读不到这份资料'], [401, '登录已失效']]) {
    for (const codec of ['h264', 'h265']) {
      const page = await open(chrome);
      let shut = true;
      const pattern = new RegExp(`/clips/${clipOf(codec).record_id}/(media|preview/)`);
      await page.route(pattern, (route) => (shut ? route.fulfill({ status, body: 'no' }) : route.continue()));
      if (codec === 'h265' && status >= 429) {
        // A preview for which there is no room is asked for again for a while: what comes in the end is enough here.
        await page.clock.install();
      }
      await page.goto(`${station.url}/clips/${clipOf(codec).record_id}`);
      await page.locator('video').evaluate((v) => { v.muted = true; v.play().catch(() => {}); });
      if (codec === 'h265' && status >= 429) {
        for (const end = Date.now() + 60_000; Date.now() < end && !(await page.getByText(said).isVisible());) await page.clock.runFor(2_100);
      }
      await page.getByText(said).waitFor();
      assert.equal(await page.locator('[data-part=none]').isVisible(), false, `${status} ${codec}: not called an encoding`);
      if (codec === 'h264') {
        assert.equal(await page.locator('[data-part=derived]').isVisible(), false, `${status}: no preview instead`);
        shut = false;
        await page.locator(status === 403 || status === 401 ? '[data-act=reload]' : '[data-act=again]').click();
        await page.locator('video').evaluate((v) => { v.muted = true; v.play().catch(() => {}); });
        await page.waitForFunction(() => document.querySelector('video').currentTime > 0.2, null, { timeout: 60_000 });
        assert.equal(await page.getByText(said).isVisible(), false);
      }
      await page.context().close();
    }
  }
});

test('a preview that took too long says so at once and is made when somebody asks again', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  let asked = 0;
  let slow = true;
  await page.route(new RegExp(`/clips/${clipOf('h265').record_id}/preview/`), (route) => {
    asked++;
    return slow ? route.fulfill({ status: 503, headers: { 'retry-after': '60' }, body: 'no' }) : route.continue();
  });
  await page.goto(`${station.url}/clips/${clipOf('h265').record_id}`);
  const play = () => page.locator('video').evaluate((v) => { v.muted = true; v.play().catch(() => {}); });
  await play();
  await page.locator('[data-part=slow]').waitFor();
  assert.match(await page.locator('[data-part=slow]').innerText(), /用时过长.*一分钟后再试/);
  assert.equal(await page.locator('[data-part=none]').isVisible(), false, 'it is no encoding that cannot be played');
  const before = asked;
  await page.waitForTimeout(5_000);
  assert.equal(asked, before, 'it is not asked for again by itself');
  slow = false;
  await page.locator('[data-act=again]').click();
  await play();
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.2, null, { timeout: 60_000 });
  assert.equal(await page.locator('[data-part=slow]').isVisible(), false);
  await page.context().close();
});

test('the contact sheet leads to places, and refreshing leaves the player alone', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/clips/${clipOf('h265').record_id}`);
  await page.locator('.strip summary').click();
  const sheet = page.locator('.sheet img');
  await sheet.evaluate((i) => i.decode());
  assert.equal(await sheet.evaluate((i) => i.naturalWidth), 1536);
  await page.locator('.sheet a').nth(8).click();
  await reached(page, SECONDS * 17 / 24);
  assert.equal(page.url().includes('?t='), false, 'a look is no mark');
  // Something about the clip changes: the live part comes anew, and the picture stays.
  await station.evidock('link', clipOf('h265').record_id, '赵卫罚〔2026〕12号');
  await page.getByRole('link', { name: '赵卫罚〔2026〕12号' }).first().waitFor();
  assert.ok(Math.abs(await at(page) - SECONDS * 17 / 24) < 0.3);
  assert.ok(await page.locator('.strip').evaluate((d) => d.open), 'what was opened stays open');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('nothing that axe-core finds on the player, in both languages, light and dark, wide and narrow', { timeout: 180_000 }, async () => {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await page.goto(`${station.url}/clips/${clipOf('h265').record_id}?t=7,9`);
    await page.locator('.strip summary').click();
    await page.locator('.sheet img').evaluate((i) => i.decode());
    await reached(page, 7);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `at ${width} px it scrolls sideways by ${wide} px`);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], `${locale} ${colorScheme} ${width}`);
    if (process.env.EVIDOCK_SCREENSHOTS) {
      await page.screenshot({ path: path.join(process.env.EVIDOCK_SCREENSHOTS, `player-${locale}-${colorScheme}-${width}.png`), fullPage: width === 390 });
    }
    await page.context().close();
  }
});
