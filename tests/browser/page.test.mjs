// The page in a real browser: a clip arrives without a reload, is found by its case, plays, is linked by hand.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
let station;
let chrome;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`);
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

test('a recorder is docked, and the open page shows its clips arrive', { timeout: 180_000 }, async () => {
  const page = await open(chrome);
  await page.goto(station.url);
  await page.evaluate(() => { window.neverReloaded = true; });
  assert.equal(await page.locator('.bay').count(), 0, 'nothing is docked yet');
  await station.dock('dsj', 'bay-1');
  const bay = page.locator('.bay', { hasText: '36NCC009910' });
  await bay.getByText('可以取走').waitFor();
  await page.locator('.flow li', { hasText: '云端校验一致' }).locator('strong', { hasText: /^4$/ }).waitFor();
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the clip is found by any spelling of its case, and plays', { timeout: 60_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/clips?case=${encodeURIComponent('赵卫罚【2026】第012号')}`);
  assert.equal(await page.locator('tbody tr').count(), 3);
  await page.locator('tbody tr a').first().click();
  const video = page.locator('video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5);
  assert.ok(await video.evaluate((v) => v.videoWidth) > 0, 'there is a picture');
  assert.deepEqual(page.complaints, []);
  const seen = await page.request.get(page.url());
  assert.match(await seen.text(), /调阅|播放/, 'the viewing is in the custody of the clip');
  await page.context().close();
});

test('bytes are served by ranges, exactly', async () => {
  const { items } = await (await fetch(`${station.url}/api/v1/clips?case=${encodeURIComponent(CASE)}`)).json();
  const clip = await (await fetch(`${station.url}/api/v1/clips/${items[0].record_id}`)).json();
  const whole = Buffer.from(await (await fetch(`${station.url}/api/v1/clips/${clip.record_id}/media`)).arrayBuffer());
  assert.equal(whole.length, clip.size_bytes);
  const { createHash } = await import('node:crypto');
  assert.equal(createHash('sha256').update(whole).digest('hex'), clip.sha256);
  const part = await fetch(`${station.url}/api/v1/clips/${clip.record_id}/media`, { headers: { range: 'bytes=100-199' } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(100, 200));
  const beyond = await fetch(`${station.url}/api/v1/clips/${clip.record_id}/media`, { headers: { range: `bytes=${clip.size_bytes}-` } });
  assert.equal(beyond.status, 416);
});

test('a clip without facts waits, is linked by hand, and the page says so live', { timeout: 180_000 }, async () => {
  await station.dock('dsj', 'bay-2', '--device', '36NCC000001');
  const page = await open(chrome);
  await page.goto(`${station.url}/clips?recorder=36NCC000001`);
  await page.locator('tbody tr').first().waitFor();
  await page.locator('tbody tr a').first().click();
  await page.locator('.gap').first().waitFor();
  // All of them.
  await page.waitForLoadState();
  const gaps = await page.locator('.gap').count();
  const form = page.locator('form', { has: page.locator('[name=case_no]') }).first();
  await form.locator('[name=case_no]').fill('赵卫罚[2026]77');
  await form.locator('[type=submit], button').first().click();
  await page.getByRole('link', { name: '赵卫罚〔2026〕77号' }).first().waitFor();
  await page.waitForLoadState();
  assert.ok(await page.locator('.gap').count() < gaps, 'one fact fewer is missing');
  const found = await station.evidock('find', '--case', '赵卫罚〔2026〕77号');
  assert.equal(found.length, 1);
  assert.equal(found[0].cases[0].origin, 'person');
  await page.context().close();
});

test('what is suggested is linked by one key, taken back by another, and refused by a third', { timeout: 180_000 }, async () => {
  // The other clips of the outing are suggested for what one of them was linked to by hand.
  const suggested = async () => {
    const { clips } = await (await fetch(`${station.url}/api/v1/triage`)).json();
    return clips.filter((c) => c.suggestions.some((s) => s.case_no === '赵卫罚〔2026〕77号'));
  };
  let waiting = await suggested();
  while (!waiting.length) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    waiting = await suggested();
  }
  assert.equal(waiting[0].suggestions[0].rule, 'neighbour');
  const linked = async () => (await station.evidock('find', '--case', '赵卫罚〔2026〕77号')).map((c) => c.record_id);
  const before = (await linked()).length;
  const page = await open(chrome);
  await page.goto(`${station.url}/triage`);
  const first = page.locator('.triage > .card.current');
  await first.getByRole('link', { name: '赵卫罚〔2026〕77号' }).waitFor();
  const id = (await first.getAttribute('id')).slice(2);
  await page.keyboard.press('Enter');
  await page.getByText('1 个资料已关联 赵卫罚〔2026〕77号').waitFor();
  assert.ok((await linked()).includes(id));
  // Keys are heard once a card is chosen.
  await first.waitFor();
  await page.keyboard.press('u');
  await page.getByText('的处理已撤销').waitFor();
  assert.equal((await linked()).length, before);
  await page.locator(`#c-${id}.current`).waitFor();
  await page.keyboard.press('x');
  await page.getByText('不再建议').waitFor();
  await first.waitFor();
  assert.equal(await page.locator(`#c-${id}`).getByRole('link', { name: '赵卫罚〔2026〕77号' }).count(), 0);
  // Another number is typed; one that is none is refused in words, and nothing is lost.
  await page.keyboard.press('n');
  await page.keyboard.type('赵卫罚2026-78');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('赵卫罚〔2026〕78号').waitFor();
  await first.waitFor();
  await page.keyboard.press('n');
  await page.keyboard.type('赵卫罚[2026]78');
  await page.keyboard.press('Enter');
  await page.getByText('已关联 赵卫罚〔2026〕78号').waitFor();
  assert.equal((await station.evidock('find', '--case', '赵卫罚〔2026〕78号')).length, 1);
  assert.deepEqual(page.complaints.filter((c) => !c.includes('422')), []);
  await page.context().close();
});

test('a case shows what of the catalogue is recorded and what is missing', async () => {
  await station.register('catalogue', '记录环节,记录事项,记录方式,必有', '调查取证,现场检查,全过程,是', '送达,留置送达,全过程,否');
  await station.register('case', '案件编号,当事人,案由,已完成事项', `${CASE},赵县某饭店,未公示卫生许可证,留置送达`);
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}`);
  const line = (matter) => page.locator('section[aria-labelledby=h-coverage] tr', { hasText: matter });
  await line('留置送达').getByText('应进行音像记录，未见资料').waitFor();
  assert.match(await line('现场检查').innerText(), /已记录|中断/);
  await page.getByText('赵县某饭店').first().waitFor();
  await page.goto(`${station.url}/cases?query=${encodeURIComponent('某饭店')}`);
  await page.getByRole('link', { name: CASE }).first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('another site cannot make the page act, nor name it its own', async () => {
  const { items } = await (await fetch(`${station.url}/api/v1/clips?limit=1`)).json();
  const foreign = await fetch(`${station.url}/clips/${items[0].record_id}/link`, {
    method: 'POST',
    headers: { origin: 'http://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
    body: 'case_no=x',
  });
  assert.equal(foreign.status, 403);
  const { request } = await import('node:http');
  const rebound = await new Promise((resolve, reject) => {
    const { port } = new URL(station.url);
    request({ host: '127.0.0.1', port, path: '/', headers: { host: 'evil.example' } }, (r) => resolve(r.statusCode)).on('error', reject).end();
  });
  assert.ok(rebound === 403 || rebound === 421, `a foreign host name got ${rebound}`);
});

test('nothing that axe-core finds, in both languages, light and dark, wide and narrow', { timeout: 120_000 }, async () => {
  const { items } = await (await fetch(`${station.url}/api/v1/clips?case=${encodeURIComponent(CASE)}`)).json();
  const paths = ['/', '/kiosk', '/clips', `/clips/${items[0].record_id}`, '/cases', `/cases/${encodeURIComponent(CASE)}`, '/clips?missing=any', '/triage'];
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    for (const path of paths) {
      await page.goto(station.url + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${path} at ${width} px scrolls sideways by ${wide} px`);
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], `${path} ${locale} ${colorScheme} ${width}`);
    }
    await page.context().close();
  }
});
