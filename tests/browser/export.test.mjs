// An evidence package through the browser: asked for on the page of its case with who, why and on what basis, confirmed by
// a second person, fetched as a zip; in both languages, light and dark, wide and narrow. None of it needs a script.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const run = promisify(execFile);
const CASE = '赵卫罚〔2026〕12号';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`);
  await station.dock('dsj', 'bay-1');
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if ((await station.evidock('find', '--case', CASE).catch(() => [])).filter((c) => c.state === 'proven').length >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await station.evidock('user', 'first', 'boss');
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

async function signIn(page, name, password) {
  await page.goto(`${station.url}/signin`);
  await page.locator('[name=name]').fill(name);
  await page.locator('[name=password]').fill(password);
  await page.locator('.gate button.main').click();
}

/** An archivist in a browser of their own. */
async function archivist(name, options = {}) {
  const { password } = await station.evidock('user', 'add', name, '--role', 'archivist');
  const page = await open(chrome, { acceptDownloads: true, ...options });
  await signIn(page, name, password);
  await page.locator('[name=present]').fill(password);
  await page.locator('[name=new]').fill(PASSWORD);
  await page.locator('[name=again]').fill(PASSWORD);
  await page.locator('form[action="/account/password"] button').click();
  await page.locator('.notice.safe').waitFor();
  return page;
}

test('one archivist asks, another one confirms, and the zip is a whole package', { timeout: 240_000 }, async () => {
  const one = await archivist('one', { javaScriptEnabled: false });
  await one.goto(`${station.url}/cases/${encodeURIComponent(CASE)}`);
  await one.getByRole('link', { name: '导出证据包' }).click();
  await one.getByText('提交后须由另一人确认').waitFor();
  await one.locator('[name=reason]').fill('行政诉讼举证');
  await one.locator('[name=basis]').fill('调取证据通知书〔2026〕7号');
  await one.locator('[name=recipient]').fill('县人民法院');
  await one.locator('[name=disc]').selectOption('own');
  await one.locator('[name=disc_gb]').fill('0.01');
  await one.getByRole('button', { name: '申请导出' }).click();
  await one.locator('.notice.fail').waitFor();
  assert.equal(await one.locator('[name=basis]').inputValue(), '调取证据通知书〔2026〕7号', 'what was typed stays');
  await one.locator('[name=disc]').selectOption('');
  await one.getByRole('button', { name: '申请导出' }).click();
  await one.getByText('待另一人确认').first().waitFor();
  const address = one.url();
  // Who asked is offered to take it back, and no button that would refuse them.
  await one.locator('form[action$="/refuse"] button').waitFor();
  assert.equal(await one.getByRole('button', { name: '确认导出' }).count(), 0);

  // The second one watches it being made: the page keeps itself fresh.
  const two = await archivist('two');
  await two.goto(`${station.url}/exports`);
  await two.getByRole('link', { name: CASE }).click();
  await two.getByText('调取证据通知书〔2026〕7号').waitFor();
  await two.getByRole('button', { name: '确认导出' }).click();
  await two.getByText('已完成并签名').waitFor({ timeout: 60_000 });
  const [download] = await Promise.all([two.waitForEvent('download'), two.getByRole('link', { name: '下载' }).click()]);
  assert.match(download.suggestedFilename(), /赵卫罚.*\.zip$/);
  const zip = path.join(station.dir, 'package.zip');
  await download.saveAs(zip);
  assert.ok((await readFile(zip)).length > 1000);
  const folder = path.join(station.dir, 'package');
  await run('python3', ['-c', 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])', zip, folder]);
  const report = await station.evidock('import-check', folder, '--trust', path.join(station.state, 'log.key.pub'));
  assert.equal(report.whole, true, JSON.stringify(report.problems));
  assert.equal(report.origin_shown, true);
  // The page inside says the same by double click; this station makes no second signature, as none does by default.
  const checker = await chrome.newPage();
  await checker.goto(pathToFileURL(path.join(folder, '4-CHECK.html')).href);
  await checker.setInputFiles('#pick', folder);
  await checker.locator('#verdict.good, #verdict.bad').waitFor();
  assert.equal(await checker.locator('#verdict').getAttribute('class'), 'good', await checker.locator('#rows').innerText());
  await checker.context().close();
  assert.deepEqual(two.complaints, []);
  await two.context().close();
  await one.goto(address);
  await one.getByText('已完成并签名').waitFor();
  await one.context().close();
});

test('its pages in both languages, light and dark, wide and narrow', { timeout: 180_000 }, async () => {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await signIn(page, 'one', PASSWORD);
    await page.locator('.me').waitFor();
    await page.goto(`${station.url}/exports`);
    const one = await page.locator('.people a').first().getAttribute('href');
    for (const [name, at] of [['exports', '/exports'], ['export', `/cases/${encodeURIComponent(CASE)}/export`], ['package', one]]) {
      await page.goto(station.url + at);
      const what = `${name} ${locale} ${colorScheme} ${width}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${locale}-${colorScheme}-${width}.png`, fullPage: width === 390 });
    }
    await page.context().close();
  }
});
