// Keeping, by two people in a real browser: a hold from asking to its release, an isolation, and a case on its way to the
// archive; in both languages, light and dark, wide and narrow. None of it needs a script.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;
let far;
let clip;

before(async () => {
  // Another device than the station's own: only there an entry of the log is off the box.
  far = await mkdtemp('/dev/shm/evidock-far-');
  const more = ['[custody]', 'checkpoint_interval_s = 1', '[keeping]', 'fonds_no = "0123"', 'responsible = "保密办 0311-80001234"',
    '[[destination]]', 'name = "far"', 'kind = "folder"', `dir = ${JSON.stringify(far)}`];
  [station, chrome] = await Promise.all([Station.start(more), browser()]);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`);
  await station.register('catalogue', '记录环节,记录事项,记录方式', '调查取证,现场检查,重点');
  await station.dock('dsj', 'bay-1');
  const ready = (c) => c.state === 'proven' && c.missing.length === 0 && c.media_health === 'whole';
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    const found = await station.evidock('find', '--case', CASE).catch(() => []);
    if (found.length === 3 && found.every(ready)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  clip = (await station.evidock('find', '--case', CASE))[0].record_id;
  await station.evidock('user', 'first', 'boss');
  for (const name of ['dang', 'dang-2']) {
    const { password } = await station.evidock('user', 'add', name, '--role', 'archivist');
    const page = await open(chrome);
    await signIn(page, name, password);
    await page.locator('[name=present]').fill(password);
    await page.locator('[name=new]').fill(PASSWORD);
    await page.locator('[name=again]').fill(PASSWORD);
    await page.locator('form[action="/account/password"] button').click();
    await page.locator('.notice.safe').waitFor();
    await page.context().close();
  }
});

after(async () => {
  await chrome?.close();
  await station?.stop();
  await rm(far, { recursive: true, force: true });
});

async function signIn(page, name, password) {
  await page.goto(`${station.url}/signin`);
  await page.locator('[name=name]').fill(name);
  await page.locator('[name=password]').fill(password);
  await page.locator('.gate button.main').click();
}

async function as(name, options = {}) {
  const page = await open(chrome, { javaScriptEnabled: false, ...options });
  await signIn(page, name, PASSWORD);
  await page.locator('.me').waitFor();
  return page;
}

/** Nothing that axe-core finds, and nothing that is wider than the screen. */
async function clean(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
}

async function everyLook(paths, step) {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await as('dang', { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true, javaScriptEnabled: true });
    for (const at of paths) {
      await page.goto(station.url + at);
      for (const fold of await page.locator('#keeping summary, .keepers summary').all()) await fold.click();
      await clean(page, `${at} ${locale} ${colorScheme} ${width}`);
      const name = `${step}-${at.replace(/\W+/g, '').slice(0, 24)}`;
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${locale}-${colorScheme}-${width}.png`, fullPage: width === 390 });
    }
    await page.context().close();
  }
}

test('a hold is placed, its release asked for by one and confirmed by another', { timeout: 120_000 }, async () => {
  const [one, two] = [await as('dang'), await as('dang-2')];
  await one.goto(`${station.url}/clips/${clip}`);
  await one.locator('#keeping summary', { hasText: '暂停销毁' }).click();
  const form = one.locator(`form[action="/clips/${clip}/hold"]`);
  await form.locator('[name=reason]').fill('当事人申请行政复议');
  await form.locator('[name=basis]').fill('赵政复〔2026〕7号');
  await form.locator('button').click();
  await one.getByText('已暂停销毁').waitFor();
  await one.goto(`${station.url}/keeping`);
  await one.locator('.keepers summary', { hasText: '申请解除' }).click();
  await one.locator('.keepers [name=reason]').fill('复议终结');
  await one.locator('.keepers details button').click();
  await one.getByText('已申请，待另一人确认').waitFor();
  assert.equal(await one.getByRole('button', { name: '确认', exact: true }).count(), 0, 'whoever asked does not confirm');
  await everyLook(['/keeping', `/clips/${clip}`, `/cases/${encodeURIComponent(CASE)}`], 'hold');
  await two.goto(`${station.url}/keeping`);
  await two.getByText('复议终结').waitFor();
  await two.getByRole('button', { name: '确认', exact: true }).click();
  await two.getByText('已确认').waitFor();
  await two.getByText('没有暂停销毁', { exact: true }).waitFor();
  for (const page of [one, two]) {
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('an isolated clip is hidden from everybody until two people lift it', { timeout: 120_000 }, async () => {
  const [one, two] = [await as('dang'), await as('dang-2')];
  await one.goto(`${station.url}/clips/${clip}`);
  await one.locator('#keeping summary', { hasText: '疑似涉密' }).click();
  const form = one.locator(`form[action="/clips/${clip}/isolate"]`);
  await form.locator('[name=reason]').fill('画面中有军事设施');
  await form.locator('button').click();
  await one.getByText('保密办 0311-80001234').waitFor();
  for (const told of ['东关街', '军事', '采集人甲']) assert.equal(await one.getByText(told).count(), 0, told);
  await everyLook([`/clips/${clip}`, '/keeping'], 'isolated');
  await two.goto(`${station.url}/clips`);
  assert.equal(await two.locator(`a[href="/clips/${clip}"]`).count(), 0, 'it is in no list');
  await one.locator('.isolated summary').click();
  await one.locator('.isolated [name=reason]').fill('经鉴定不涉密');
  await one.locator('.isolated details button').click();
  await one.getByText('已申请，待另一人确认').waitFor();
  await two.goto(`${station.url}/keeping`);
  await two.getByRole('button', { name: '确认', exact: true }).click();
  await two.getByText('东关街18号').first().waitFor();
  for (const page of [one, two]) await page.context().close();
});

test('a case is closed, bound, checked and filed, and takes no changes then', { timeout: 180_000 }, async () => {
  const page = await as('dang');
  const at = `/cases/${encodeURIComponent(CASE)}`;
  await page.goto(station.url + at);
  await page.getByRole('link', { name: '归档检查' }).click();
  await page.getByRole('button', { name: '结案' }).click();
  await page.getByText('已结案').first().waitFor();
  await page.locator('[name=archival_code]').fill('0123-2026-30Y-0007');
  await page.locator('[name=term]').fill('30年');
  assert.equal(await page.locator('[name=fonds_no]').inputValue(), '0123');
  await page.getByRole('button', { name: '立卷' }).click();
  await page.getByText('已立卷').first().waitFor();
  await page.waitForLoadState();
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    // What is not there is told of a page that is there whole.
    await page.reload();
    if (await page.locator('#h-check ~ ul .chip').count() === 0) break;
  }
  assert.equal(await page.locator('#h-check ~ ul .chip').count(), 0, 'the check finds no gap');
  // Put to filing, its data are compared by themselves; the page tells how far that is, and of each clip.
  const compared = page.locator('section[aria-labelledby=h-compared]');
  await compared.getByText('比对完成').waitFor();
  assert.ok(await compared.locator('tbody tr').count() > 0);
  assert.equal(await compared.locator('tbody .pill').first().innerText(), '一致');
  // A page that is being left is not loaded again.
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: '重新比对' }).click()]);
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    await page.reload();
    if (await compared.getByText('比对完成').count() > 0 && await page.locator('#h-check ~ ul .chip').count() === 0) break;
  }
  assert.equal(await compared.getByText('比对完成').count(), 1);
  await everyLook([`${at}/filing`], 'bound');
  await page.locator('[name=opinion]').fill('四性检测通过');
  await page.getByRole('button', { name: '检查并归档' }).click();
  await page.getByText('已归档').first().waitFor();
  await page.waitForLoadState();
  // What was signed stands there with its digest, and is printed.
  const signed = page.locator('section[aria-labelledby=h-signed]');
  assert.match(await signed.innerText(), /归档检查报告[^]*四性检测通过[^]*SHA-256 [0-9a-f]{64}/);
  assert.equal(await page.getByRole('link', { name: '打印检查报告' }).count(), 1);
  await everyLook([`${at}/filing`, `${at}/filing/report`, `${at}/filing/list?kind=transfer`, `${at}/filing/list?kind=contents`, at], 'filed');
  await page.goto(`${station.url}/clips/${clip}`);
  await page.locator('#annotate [name=place]').fill('别处');
  await page.locator('#annotate button').click();
  await page.locator('.notice.fail').waitFor();
  assert.match(await page.locator('.notice.fail').innerText(), /本案已归档（档号 .+），不能再改动；须由两人写明原因重新打开。/);
  await page.context().close();
});
