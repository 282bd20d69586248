// Signing in, by two people in a real browser: the security administrator lets an officer in, who sees what they recorded
// and no more; every page of it in both languages, light and dark, wide and narrow. None of it needs a script.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;
let first;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  const facts = `2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`;
  await station.roster(`采集人甲,36NCC009910,${facts}`, `采集人乙,36NCC009874,${facts}`);
  await station.dock('dsj', 'bay-1');
  await station.dock('dsj', 'bay-2', '--device', '36NCC009874');
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if ((await station.evidock('find', '--case', CASE).catch(() => [])).filter((c) => c.missing.length === 0).length >= 6) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  first = (await station.evidock('user', 'first', 'boss')).password;
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

async function choosePassword(page, present) {
  await page.locator('[name=present]').fill(present);
  await page.locator('[name=new]').fill(PASSWORD);
  await page.locator('[name=again]').fill(PASSWORD);
  await page.locator('form[action="/account/password"] button').click();
  await page.locator('.notice.safe').waitFor();
}

/** Nothing that axe-core finds, and nothing that is wider than the screen. */
async function clean(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
}

test('the administrator signs in without a script, makes an officer, and sees no footage', { timeout: 120_000 }, async () => {
  const page = await open(chrome, { javaScriptEnabled: false });
  await page.goto(`${station.url}/clips`);
  assert.match(page.url(), /\/signin\?next=/);
  await signIn(page, 'boss', 'a wrong guess');
  await page.locator('.notice.fail').waitFor();
  assert.equal(await page.locator('[name=name]').inputValue(), 'boss', 'what was typed stays');
  await page.locator('[name=password]').fill(first);
  await page.locator('.gate button.main').click();
  await page.getByRole('heading', { name: '请先修改口令' }).waitFor();
  await choosePassword(page, first);
  await page.getByRole('link', { name: '账号', exact: true }).click();
  const panel = page.locator('.panel.new', { hasText: '新建账号' });
  await panel.locator('summary').click();
  const form = panel.locator('form');
  await form.locator('[name=login]').fill('jia');
  await form.locator('[name=label]').fill('甲某');
  await form.locator('[name=officer]').fill('采集人甲');
  await form.getByLabel('执法人员', { exact: true }).check();
  await form.getByLabel('安全审计员').check();
  await form.locator('button').click();
  await page.locator('.notice.fail').waitFor();
  assert.match(await page.locator('.notice.fail').innerText(), /三员分立/);
  await form.getByLabel('安全审计员').uncheck();
  await form.locator('button').click();
  const told = await page.locator('.told code').innerText();
  assert.match(told, /^[a-z0-9]{4}(-[a-z0-9]{4}){3}$/);
  await page.goto(`${station.url}/accounts`);
  assert.equal(await page.getByText(told).count(), 0, 'told once');
  assert.equal(await page.getByRole('link', { name: '音像资料' }).count(), 0);
  await page.goto(`${station.url}/clips`);
  await page.getByText('没有权限').waitFor();
  await page.context().close();

  const officer = await open(chrome);
  await signIn(officer, 'jia', told);
  await choosePassword(officer, told);
  await officer.goto(`${station.url}/clips`);
  // The recorder's log comes behind its clips.
  await officer.locator('tbody tr').nth(3).waitFor();
  const rows = await officer.locator('tbody tr').allInnerTexts();
  assert.equal(rows.length, 4);
  assert.ok(rows.every((row) => !row.includes('采集人乙')), 'nothing of others');
  await officer.goto(`${station.url}/clips?case=${encodeURIComponent(CASE)}`);
  await officer.locator('tbody tr a').first().click();
  const video = officer.locator('video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await officer.waitForFunction(() => document.querySelector('video').currentTime > 0.3);
  assert.equal(await officer.getByRole('link', { name: '下载原始文件' }).count(), 0, 'an officer watches and does not save');
  const clip = officer.url();
  await officer.locator('#annotate [name=place]').fill('北大街 3 号');
  await officer.locator('#annotate button').click();
  await officer.locator('.notice.safe').waitFor();
  await officer.getByRole('button', { name: '退出' }).click();
  await officer.getByText('已退出').waitFor();
  await officer.goto(clip);
  assert.match(officer.url(), /\/signin/);
  await signIn(officer, 'jia', PASSWORD);
  await officer.locator('.me').waitFor();
  assert.deepEqual(officer.complaints, []);
  await officer.context().close();
});

test('the pages at and behind the door, in both languages, light and dark, wide and narrow', { timeout: 240_000 }, async () => {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await page.goto(`${station.url}/signin`);
    await clean(page, `the door ${locale} ${colorScheme} ${width}`);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/door-${locale}-${colorScheme}-${width}.png` });
    await signIn(page, 'boss', PASSWORD);
    await page.locator('.me').waitFor();
    for (const at of ['/', '/account', '/account?codes=new', '/accounts', '/clips']) {
      await page.goto(station.url + at);
      if (at === '/accounts') await page.locator('.people summary').first().click();
      await clean(page, `${at} ${locale} ${colorScheme} ${width}`);
      const name = at.replace(/\W+/g, '') || 'station';
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${locale}-${colorScheme}-${width}.png`, fullPage: width === 390 });
    }
    await page.context().close();
  }
});

test('an auditor reads the log, who signed in and who was refused, and no footage', { timeout: 90_000 }, async () => {
  const { password } = await station.evidock('user', 'add', 'audit', '--role', 'auditor');
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await signIn(page, 'audit', width === 1440 && locale === 'zh-CN' ? password : PASSWORD);
    if (width === 1440 && locale === 'zh-CN') await choosePassword(page, password);
    await page.locator('.me').waitFor();
    await page.goto(`${station.url}/log?kind=access.`);
    assert.ok(await page.locator('tbody tr').count() > 3);
    assert.equal(await page.getByText('采集人甲').count(), 0);
    await clean(page, `the log ${locale} ${colorScheme} ${width}`);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/log-${locale}-${colorScheme}-${width}.png`, fullPage: false });
    await page.context().close();
  }
});

test('a supervisor says why before anything of a clip is shown', { timeout: 120_000 }, async () => {
  const { password } = await station.evidock('user', 'add', 'super', '--role', 'supervisor');
  const page = await open(chrome, { bypassCSP: true });
  await signIn(page, 'super', password);
  await choosePassword(page, password);
  await page.goto(`${station.url}/clips`);
  await page.locator('tbody tr a').first().click();
  await page.getByRole('heading', { name: '请说明调阅目的' }).waitFor();
  assert.equal(await page.getByText('东关街').count(), 0);
  await clean(page, 'the purpose');
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/purpose.png` });
  await page.getByRole('button', { name: '随机抽查' }).click();
  await page.locator('video, .noplay').first().waitFor();
  await page.context().close();
});

test('an archivist says why before a labelled clip plays and before a file is saved, and a player is there at once after', { timeout: 180_000 }, async () => {
  const { items } = await station.evidock('find', '--case', CASE).then((found) => ({ items: found.filter((c) => c.vcodec) }));
  const [labelled, plain] = items.map((c) => c.record_id);
  await station.evidock('annotate', labelled, 'sensitivity=个人隐私');
  const { password } = await station.evidock('user', 'add', 'archive', '--role', 'archivist');
  const page = await open(chrome, { acceptDownloads: true, bypassCSP: true });
  await signIn(page, 'archive', password);
  await choosePassword(page, password);
  // Saving is asked about where playing is not; then it begins by itself.
  await page.goto(`${station.url}/clips/${plain}`);
  await page.locator('video').waitFor();
  await page.getByRole('link', { name: '下载原始文件' }).click();
  await page.getByRole('heading', { name: '请说明调阅目的' }).waitFor();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: '案卷评查' }).click();
  await (await saved).path();
  await page.getByText('文件即将开始下载').waitFor();
  assert.equal(await page.locator('video').count(), 1, 'the page of the clip, not the question');
  await page.getByRole('button', { name: '退出' }).click();
  await page.getByText('已退出').waitFor();

  // Another session: nothing is remembered.
  await signIn(page, 'archive', PASSWORD);
  await page.locator('.me').waitFor();
  await page.goto(`${station.url}/clips/${labelled}`);
  await page.getByRole('heading', { name: '请说明调阅目的' }).waitFor();
  assert.equal(await page.locator('video').count(), 0);
  await clean(page, 'the question in the place of a player');
  await page.locator('#question [name=purpose]').fill('信访核查');
  await page.getByRole('button', { name: '继续调阅' }).click();
  const video = page.locator('video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.3, null, { timeout: 60_000 });
  // Said for one clip of the case, it holds for the others.
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}/together`);
  await page.locator('#together').waitFor();
  await page.getByRole('button', { name: '退出' }).click();
  await page.getByText('已退出').waitFor();

  // A derived file takes its reason from its own form, in which nothing is lost.
  await signIn(page, 'archive', PASSWORD);
  await page.locator('.me').waitFor();
  await page.goto(`${station.url}/clips/${plain}`);
  await page.locator('#derive [name=from]').fill('0.2');
  await page.locator('#derive [name=reason]').fill('处罚决定书附图');
  await page.locator('#derive button').click();
  await page.locator('.notice.safe').waitFor();
  assert.deepEqual(page.complaints.filter((c) => !c.includes('403')), []);
  await page.context().close();
});
