// An interview through the browser: a room is recorded for its case, stopped, and its clip is sealed, linked, proven and
// plays; what the camera shows stands on the page meanwhile.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Station, axeSource, browser, open, root } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
let camera;
let station;
let chrome;

/** The tests' camera on a free port; gives its process and its port. */
async function startCamera() {
  const child = spawn('/usr/bin/python3', [path.join(root, 'tests/support/camera.py'), 'h264-aac'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const ready = /^ready (\d+)\n/.exec(said);
      if (ready) resolve(Number(ready[1]));
    });
    child.once('exit', (code) => reject(new Error(`the camera ended with ${code}`)));
  });
  return { child, port };
}

before(async () => {
  camera = await startCamera();
  const stream = ['[[stream]]', 'name = "room-1"', 'room = "询问室1"', `url = "rtsp://127.0.0.1:${camera.port}/h264-aac"`];
  [station, chrome] = await Promise.all([Station.start(stream), browser()]);
});

after(async () => {
  await chrome?.close();
  await station?.stop();
  camera?.child.removeAllListeners('exit');
  camera?.child.kill('SIGKILL');
});

test('an interview is begun, stopped, and its clip is there, proven and playing', { timeout: 240_000 }, async () => {
  const page = await open(chrome);
  await page.goto(station.url);
  await page.getByRole('link', { name: '录制' }).click();
  const room = page.locator('.room', { hasText: '询问室1' });
  await room.getByText('未录制').waitFor();
  await room.locator('summary').click();
  await room.locator('[name=case_no]').fill('赵卫罚[2026]12号');
  await room.locator('[name=officer]').fill('采集人甲');
  await room.locator('[name=matter]').fill('询问');
  await room.locator('[name=proves]').fill('询问的过程');
  await room.locator('form button').click();
  await page.getByText('已开始录制').waitFor();
  // The first worker of a station reads every plug-in, which takes a busy machine long.
  await room.getByText('录制中').waitFor({ timeout: 90_000 });
  await room.getByText(CASE.slice(0, 3)).first().waitFor();
  // A newer one may take its place at any time.
  await room.locator('img.still').waitFor();
  await page.waitForFunction(() => document.querySelector('.room img.still')?.naturalWidth > 0);
  await room.getByText(/kbit\/s|Mbit\/s/).waitFor();
  await room.locator('dt', { hasText: '丢包' }).waitFor();
  await room.locator('div', { has: page.locator('dt', { hasText: '最近关键帧' }) }).locator('time').first().waitFor();

  // Beside the page that tells its story: axe-core brings a style of its own, which the policy of the page forbids.
  const looked = await open(chrome, { bypassCSP: true });
  await looked.goto(`${station.url}/rooms`);
  await looked.locator('.room', { hasText: '录制中' }).waitFor();
  await looked.evaluate(axeSource);
  const { violations } = await looked.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
  await looked.context().close();

  await room.getByRole('button', { name: '停止录制' }).click();
  await page.getByText('已停止录制').waitFor();
  await room.getByText('未录制').waitFor();

  let found = [];
  // How long it is, is looked up beside the sending: one is there before the other, or after it.
  for (const end = Date.now() + 90_000; Date.now() < end && !(found[0]?.state === 'proven' && found[0].duration_ms);) {
    found = await station.evidock('find', '--case', CASE).catch(() => []);
  }
  assert.equal(found.length, 1, 'one clip, linked to the case');
  assert.equal(found[0].state, 'proven');
  assert.deepEqual(found[0].missing, []);

  await page.goto(`${station.url}/clips/${found[0].record_id}`);
  await page.getByText('询问室1，第 1 段').waitFor();
  const video = page.locator('video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5);
  assert.ok(await video.evaluate((v) => v.videoWidth) > 0, 'there is a picture');
  const length = await video.evaluate((v) => v.duration);
  assert.ok(Math.abs(length - found[0].duration_ms / 1000) < 0.5, `the browser says ${length} s of ${found[0].duration_ms} ms`);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what cannot be begun says why and keeps what was typed', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/rooms`);
  const room = page.locator('.room', { hasText: '询问室1' });
  await room.locator('summary').click();
  await room.locator('[name=case_no]').fill('不是案号');
  await room.locator('[name=officer]').fill('采集人甲');
  await room.locator('form button').click();
  await page.locator('.notice.fail').waitFor();
  assert.equal(await room.locator('[name=officer]').inputValue(), '采集人甲');
  await page.context().close();
});
