// A frame grab through the browser: asked for on the page of its clip with the reason, watched until it is made, fetched; called
// derived wherever it shows. It needs no script. In both languages, light and dark, wide and narrow.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

let station;
let chrome;
let clip;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.dock('dsj', 'bay-1');
  const page = await open(chrome);
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    const { items } = await (await page.request.get(`${station.url}/api/v1/clips`)).json();
    clip = items.find((c) => c.original_filename.endsWith('.mp4') && c.media_health && c.duration_ms > 500)?.record_id;
    if (clip) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(clip, 'no clip with pictures was looked at');
  await page.context().close();
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

test('a frame grab with its reason, without a script', { timeout: 120_000 }, async () => {
  const page = await open(chrome, { acceptDownloads: true, javaScriptEnabled: false });
  await page.goto(`${station.url}/clips/${clip}?t=0.4`);
  const form = page.locator('#derive form');
  assert.equal(await form.locator('[name=from]').inputValue(), '0.4', 'the place that the address names');
  await form.locator('[name=form]').selectOption('png');
  await form.locator('[name=to]').fill('9');
  await form.locator('[name=reason]').fill('处罚决定书附图');
  await form.getByRole('button').click();
  await page.locator('.notice.fail').waitFor();
  // What was typed is there still: only what is wrong is put right.
  assert.equal(await form.locator('[name=from]').inputValue(), '0.4');
  assert.equal(await form.locator('[name=form]').inputValue(), 'png');
  assert.equal(await form.locator('[name=reason]').inputValue(), '处罚决定书附图');
  await form.locator('[name=to]').fill('');
  await form.getByRole('button').click();
  await page.locator('.notice.safe').waitFor();
  await page.waitForLoadState();
  const list = page.locator('#derived');
  for (const end = Date.now() + 60_000; Date.now() < end && !(await list.getByText('派生 · 可下载').count());) {
    await page.reload();
  }
  await list.getByText('处罚决定书附图').waitFor();
  await list.getByText('由画面解码得到').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), list.getByRole('link', { name: '下载派生文件' }).click()]);
  assert.match(download.suggestedFilename(), /^derived-.*-frame-.*\.png$/);
  const file = path.join(station.dir, 'grab.png');
  await download.saveAs(file);
  assert.deepEqual([...(await readFile(file)).subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  await page.reload();
  await page.getByText('下载派生文件').first().waitFor();
  await page.locator('.custody').getByText('派生文件制作完成').waitFor();
  assert.deepEqual(page.complaints.filter((c) => !c.includes('422')), []);
  await page.context().close();
});

test('its part of the page in both languages, light and dark, wide and narrow', { timeout: 120_000 }, async () => {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await page.goto(`${station.url}/clips/${clip}`);
    const what = `${locale} ${colorScheme} ${width}`;
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
    await page.context().close();
  }
});
