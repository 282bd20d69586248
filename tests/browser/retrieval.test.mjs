// Searching and filing documents in a real browser: a clip of today is found by place and put first, documents are filed on
// the page of a case and hostile ones refused with the reason; nothing that axe finds, by day and by night, wide and narrow.

import assert from 'node:assert/strict';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Station, axeSource, browser, open } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
let station;
let chrome;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},新华路18号,现场检查,现场全貌`);
  await station.dock('dsj', 'bay-1');
  // A clip is there before all is known of it that it is found by.
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if ((await station.evidock('find', '--case', CASE).catch(() => [])).filter((c) => c.missing.length === 0).length >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

async function axe(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`), []);
}

test('one box finds clips by whatever is known of them', { timeout: 180_000 }, async () => {
  const page = await open(chrome);
  const rows = page.locator('tbody tr');
  await page.goto(`${station.url}/clips`);
  await rows.nth(2).waitFor();
  for (const [typed, some] of [['新华路', true], ['赵卫罚【2026】第012号', true], ['采集人甲 9910', true], ['2026〕12', true], ['东关街', false], ['" OR *', false]]) {
    await page.goto(`${station.url}/clips?q=${encodeURIComponent(typed)}`);
    assert.equal(await rows.count() > 0, some, typed);
    assert.equal(await page.locator('input[name=q]').inputValue(), typed);
  }
  await page.goto(`${station.url}/clips`);
  await page.locator('input[name=q]').fill('新华');
  await page.waitForURL(/q=/);
  await page.locator('.chip', { hasText: '新华' }).waitFor();
  for (const [width, scheme] of [[1440, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await axe(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${width} pixels do`);
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('twenty cases are found blind: by wrong brackets, by document numbers, by their parties', { timeout: 300_000 }, async () => {
  const parties = ['永盛饭店', '县第二小学', '李家庄砖厂', '城东农贸市场', '金辉化工', '王记修理部', '康民药房', '东风幼儿园', '众信担保', '北苑浴池'];
  const party = (n) => `赵县${parties[n % 10]}${n < 10 ? '' : '分店'}`;
  const cases = Array.from({ length: 20 }, (_, n) => n);
  await station.register('case', '案件编号,决定书文号,当事人', ...cases.map((n) => `赵卫罚〔2026〕${300 + n}号,赵卫罚决〔2026〕${700 + n}号,${party(n)}`));
  const card = path.join(station.dir, 'card');
  const dir = path.join(card, 'DCIM/VIDEO/2026-05-18');
  await mkdir(dir, { recursive: true });
  const minute = (n) => String(n).padStart(2, '0');
  await Promise.all(cases.map((n) => writeFile(path.join(dir, `DSJ_36NCC009874_000000_20260518_09${minute(n)}00.mp4`), `clip ${n} of twenty`)));
  await rename(card, path.join(station.state, 'docks/bay-2'));
  let clips = [];
  for (const end = Date.now() + 90_000; Date.now() < end && clips.length < 20;) {
    const { items } = await (await fetch(`${station.url}/api/v1/clips?recorder=36NCC009874&limit=50`)).json();
    clips = items.filter((c) => c.captured_start).sort((a, b) => a.captured_start.localeCompare(b.captured_start)).map((c) => c.record_id);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(clips.length, 20);
  for (const n of cases) await station.evidock('link', clips[n], `赵卫罚〔2026〕${300 + n}号`);
  const page = await open(chrome);
  for (const n of cases) {
    for (const typed of [`赵卫罚﹝2026】第0${300 + n}号`, `赵卫罚决(2026)${700 + n}`, `${party(n)} 2026〕${300 + n}`]) {
      await page.goto(`${station.url}/clips?q=${encodeURIComponent(typed)}`);
      const hrefs = await page.locator('tbody tr .c-when a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
      assert.deepEqual(hrefs, [`/clips/${clips[n]}`], typed);
    }
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a document is filed on the page of its case, and a hostile one is refused with the reason', { timeout: 180_000 }, async () => {
  const page = await open(chrome);
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}`);
  const form = page.locator('#filing');
  const told = page.locator('#filing-told');
  const pdf = (name) => ({ name, mimeType: 'application/pdf', buffer: Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(200_000, 7)]) });
  await form.locator('[type=file]').setInputFiles(pdf('现场检查笔录.pdf'));
  await form.locator('[name=kind]').selectOption('record');
  await form.locator('[name=matter]').fill('现场检查');
  await form.locator('button').click();
  await told.getByText('已归入').waitFor();
  await page.locator('table.documents', { hasText: '现场检查笔录' }).waitFor();
  await form.locator('[type=file]').setInputFiles([pdf('现场检查笔录.pdf'), { name: '决定书.pdf', mimeType: 'application/pdf', buffer: Buffer.from('<svg onload=alert(1)>') }]);
  await form.locator('button').click();
  await told.getByText('本案已有相同的文件').waitFor();
  await told.getByText('SVG').waitFor();
  assert.equal(await page.locator('table.documents tbody tr').count(), 1);
  for (const [width, scheme] of [[1440, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await axe(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${width} pixels do`);
  }
  await page.locator('table.documents a').first().click();
  await page.getByText('application/pdf').waitFor();
  await axe(page);
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: '下载原始文件' }).click();
  assert.equal((await saved).suggestedFilename(), '现场检查笔录.pdf');
  assert.deepEqual(page.complaints.filter((c) => !/422/.test(c)), []);
  await page.context().close();
});
