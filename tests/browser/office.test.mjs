// The office in a real browser: a head of department keeps the desk with a scanner, finds a party and sets facts of several
// clips; an archivist imports registers; the system administrator looks after recorders and the box and sees no case; an officer gets
// to none of it. Both languages, wide and narrow, with names that try to break the page.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open } from './station.mjs';

const CASE = '赵卫罚〔2026〕12号';
const PARTY = '赵县<b>某</b>饭店 & "子"';
const PASSWORD = 'a sentence of mine';
const people = {};
let station;
let chrome;

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.register('officer', '姓名,警号,单位,卡号', '采集人甲,110203,执法一科,0012345678', '采集人乙,110204,执法一科,0012345679');
  await station.register('recorder', '记录仪编号,型号,条码', '36NCC009910,DSJ-A1,ZC-1', '36NCC009874,DSJ-A1,ZC-2');
  await station.register('case', '案件编号,当事人,案由,决定书文号,承办人', `${CASE},"${PARTY.replaceAll('"', '""')}",未公示卫生许可证,赵卫罚决〔2026〕12号,采集人甲`);
  await station.roster(`采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`);
  await station.dock('dsj', 'bay-1');
  // The list of clips stands still when nothing about them changes any more.
  const ready = (c) => c.state === 'proven' && c.media_health;
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if ((await station.evidock('find', '--case', CASE).catch(() => [])).filter(ready).length >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  people.boss = (await station.evidock('user', 'first', 'boss')).password;
  people.head = (await station.evidock('user', 'add', 'head', '--role', 'department_head', '--unit', '执法一科')).password;
  people.dang = (await station.evidock('user', 'add', 'dang', '--role', 'archivist')).password;
  people.box = (await station.evidock('user', 'add', 'box', '--role', 'system_administrator')).password;
  people.jia = (await station.evidock('user', 'add', 'jia', '--role', 'officer', '--unit', '执法一科', '--officer', '采集人甲')).password;
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

/** Signs somebody in; the first time with a password of their own to be chosen. */
async function signIn(page, name) {
  await page.goto(`${station.url}/signin`);
  await page.locator('[name=name]').fill(name);
  await page.locator('[name=password]').fill(people[name]);
  await page.locator('.gate button.main').click();
  await page.locator('.me').waitFor();
  if (people[name] === PASSWORD) return;
  await page.locator('[name=present]').fill(people[name]);
  await page.locator('[name=new]').fill(PASSWORD);
  await page.locator('[name=again]').fill(PASSWORD);
  await page.locator('form[action="/account/password"] button').click();
  await page.locator('.notice.safe').waitFor();
  people[name] = PASSWORD;
}

/** Nothing that axe-core finds, and nothing that is wider than the screen. */
async function clean(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
}

async function look(name, paths) {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await signIn(page, name);
    for (const at of paths) {
      await page.goto(station.url + at);
      await clean(page, `${at} ${locale} ${width}`);
      const file = at.replace(/[^a-z]+/g, '-') || 'station';
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/office${file}-${locale}-${width}.png`, fullPage: width === 390 });
    }
    await page.context().close();
  }
}

test('the desk by scanner alone: issue in either order, return, undo', { timeout: 90_000 }, async () => {
  const page = await open(chrome);
  await signIn(page, 'head');
  await page.goto(`${station.url}/desk`);
  await page.getByText('没有领用中的记录仪').waitFor();
  // A scanner types into whatever has the focus, and ends with Enter.
  const scan = async (code) => {
    await page.waitForFunction(() => document.activeElement?.name === 'code');
    await page.keyboard.type(code);
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  };
  await scan('ZC-1');
  await page.locator('.prompt', { hasText: '工卡' }).waitFor();
  await scan('９９９');
  await page.getByText('没有登记这个编号').waitFor();
  assert.match(await page.locator('.bigsay.hold').innerText(), /36NCC009910/, 'what was scanned before stays');
  await scan('0012345678');
  await page.locator('.bigsay.safe', { hasText: '36NCC009910 已由 采集人甲 领用' }).waitFor();
  assert.match(await page.locator('.outs').innerText(), /36NCC009910 采集人甲/);
  await scan('110204');
  await scan('36ncc009874');
  await page.locator('.bigsay.safe', { hasText: '采集人乙 领用' }).waitFor();
  await page.locator('[data-undo]').click();
  await page.locator('.bigsay.ask', { hasText: '已撤销' }).waitFor();
  assert.doesNotMatch(await page.locator('.outs').innerText(), /采集人乙/);
  await scan('ZC-1');
  await page.locator('.bigsay.safe', { hasText: '归还' }).waitFor();
  await page.getByText('没有领用中的记录仪').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a register is tried, its mistakes are told by their lines, then imported and taken back', { timeout: 60_000 }, async () => {
  const page = await open(chrome);
  await signIn(page, 'dang');
  await page.goto(`${station.url}/registers`);
  const file = path.join(station.dir, '人员<i>.csv');
  await writeFile(file, '姓名,离岗时间\n张三,2026-02-30\n,昨天\n');
  await page.locator('[name=register]').selectOption('officer');
  await page.locator('[name=file]').setInputFiles(file);
  await page.getByRole('button', { name: '试导入' }).click();
  await page.locator('.outcome tbody tr').first().waitFor();
  assert.match(await page.locator('.outcome tbody').innerText(), /2\s+离岗时间\s+2026-02-30/);
  assert.ok(await page.locator('[data-real]').isDisabled());
  await writeFile(file, '姓名,警号\n新人<script>,119999\n');
  await page.locator('[name=file]').setInputFiles([]);
  await page.locator('[name=file]').setInputFiles(file);
  await page.getByRole('button', { name: '试导入' }).click();
  await page.locator('.outcome .notice.safe', { hasText: '新增 1' }).waitFor();
  await page.locator('[data-real]').click();
  await page.getByRole('link', { name: '查看导入记录' }).click();
  await page.goto(`${station.url}/registers/officer?find=${encodeURIComponent('新人')}`);
  await page.getByText('新人<script>').waitFor();
  await page.goto(`${station.url}/registers`);
  await page.locator('.things details summary').first().click();
  await page.locator('form[action$="/undo"] button').first().click();
  await page.locator('.notice.safe', { hasText: '已撤销' }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a roster is tried, its mistakes are told by their lines, then imported, undone and taken away', { timeout: 60_000 }, async () => {
  const page = await open(chrome);
  await signIn(page, 'dang');
  await page.goto(`${station.url}/rosters`);
  const file = path.join(station.dir, '排班<i>.csv');
  const head = '采集人,记录仪,领用时间,归还时间,地点\n';
  await writeFile(file, `${head}采集人甲,36NCC009910,上午,2026-01-05 12:00,\n,36NCC009910,2026-01-05 13:00,2026-01-05 17:00,\n`);
  await page.locator('[name=file]').setInputFiles(file);
  await page.getByRole('button', { name: '试导入' }).click();
  await page.locator('.outcome tbody tr').nth(1).waitFor();
  assert.match(await page.locator('.outcome tbody').innerText(), /2\s+领用时间\s+上午/);
  assert.ok(await page.locator('[data-real]').isDisabled());
  // Of a time long before any clip, so that it changes none of them.
  await writeFile(file, `${head}采集人甲,36NCC009910,2026-01-05 08:00,2026-01-05 12:00,西街\n采集人乙,36NCC009910,2026-01-06 08:00,2026-01-06 12:00,西街\n`);
  await page.locator('[name=file]').setInputFiles([]);
  await page.locator('[name=file]').setInputFiles(file);
  await page.getByRole('button', { name: '试导入' }).click();
  await page.locator('.outcome .notice.safe', { hasText: '将导入 2 行，涉及 2 天' }).waitFor();
  await page.locator('[data-real]').click();
  await page.getByRole('link', { name: '查看导入记录' }).click();
  const line = page.locator('.things li', { hasText: '排班<i>.csv' });
  await line.getByText('2026-01-05 至 2026-01-06').waitFor();
  // What is read below stands behind what was waited for.
  await page.waitForLoadState();
  assert.match(await line.innerText(), /2 行.*共 2 天[\s\S]*现有 2 行/);
  // A sheet with the two swapped is taken back, and the one before it stands again.
  await page.goto(`${station.url}/rosters`);
  await writeFile(file, `${head}采集人乙,36NCC009910,2026-01-05 08:00,2026-01-05 12:00,西街\n采集人甲,36NCC009910,2026-01-06 08:00,2026-01-06 12:00,西街\n`);
  await page.locator('[name=file]').setInputFiles(file);
  await page.getByRole('button', { name: '试导入' }).click();
  await page.locator('.outcome .notice.safe', { hasText: '替换同名排班表的 2 行' }).waitFor();
  await page.locator('[data-real]').click();
  await page.getByRole('link', { name: '查看导入记录' }).click();
  await line.first().locator('summary', { hasText: '撤销本次导入' }).click();
  await line.first().getByRole('button', { name: '撤销本次导入' }).click();
  await page.locator('.notice.safe', { hasText: '移除 2 行，恢复它所替换的 2 行' }).waitFor();
  await page.waitForLoadState();
  const before = line.nth(1);
  assert.match(await before.innerText(), /现有 2 行/);
  await before.locator('summary', { hasText: '删除' }).click();
  await before.getByText('删除以这个名称导入的全部内容？').waitFor();
  await before.getByRole('button', { name: '删除' }).click();
  await page.locator('.notice.safe', { hasText: '已删除' }).waitFor();
  await page.waitForLoadState();
  assert.equal(await page.locator('form[action="/rosters/remove"] [value="排班<i>.csv"]').count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a party is found from its case, and several clips are set at once', { timeout: 60_000 }, async () => {
  const page = await open(chrome);
  await signIn(page, 'head');
  await page.goto(`${station.url}/cases/${encodeURIComponent(CASE)}`);
  await page.getByRole('link', { name: '当事人档案' }).click();
  await page.getByRole('heading', { name: PARTY }).waitFor();
  await page.getByText('赵卫罚决〔2026〕12号').waitFor();
  await page.locator('tbody tr').nth(2).waitFor();
  await page.goto(`${station.url}/parties?query=${encodeURIComponent('某')}`);
  await page.goto(`${station.url}/parties`);
  await page.getByRole('link', { name: PARTY }).waitFor();
  await page.goto(`${station.url}/clips`);
  const picks = page.locator('.pick');
  await picks.nth(0).check();
  await picks.nth(1).check();
  assert.equal(await page.locator('[data-count]').innerText(), '2');
  await page.locator('.several [name=field]').selectOption('place');
  await page.locator('.several [name=value]').fill('北大街 3 号');
  await page.getByRole('button', { name: '标注', exact: true }).click();
  await page.getByText('2 个已处理').waitFor();
  await page.getByRole('link', { name: '返回列表' }).click();
  await page.getByText('北大街 3 号').nth(1).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the box: recorders, a destination that is tried, the self-check; no case and no footage', { timeout: 240_000 }, async () => {
  const page = await open(chrome);
  await signIn(page, 'box');
  await page.goto(`${station.url}/admin/recorders`);
  await page.getByRole('link', { name: '36NCC009910', exact: true }).click();
  await page.locator('form[action$="/assign"] [name=officer][list]').fill('采集人甲');
  await page.getByRole('button', { name: '配发', exact: true }).click();
  await page.locator('.notice.safe').waitFor();
  await page.waitForLoadState();
  assert.match(await page.locator('body').innerText(), /采集人甲 · 领用时间/);
  // It comes by a folder, no gate knows it: it is given away for repair all the same, goes to nobody meanwhile, and its page
  // tells who said so, when and why.
  const decide = async (word, reason) => {
    await page.locator('details.decide summary', { hasText: word }).click();
    const form = page.locator('details.decide[open] form');
    await form.locator('[name=reason]').fill(reason);
    await form.getByRole('button', { name: word, exact: true }).click();
    await page.locator('.notice.safe').waitFor();
    await page.waitForLoadState();
  };
  await decide('送修', '按键失灵');
  const history = page.locator('section[aria-labelledby=h-marks]');
  assert.match(await history.innerText(), /维修[^]*按键失灵/);
  await page.locator('form[action$="/assign"] [name=officer][list]').fill('采集人乙');
  await page.getByRole('button', { name: '配发', exact: true }).click();
  assert.match(await page.locator('.notice.fail').innerText(), /已送修，不能领用/);
  await page.goto(`${station.url}/admin/recorders/36NCC009910`);
  await decide('恢复使用', '已修复');
  assert.match(await history.innerText(), /恢复使用[^]*已修复[^]*按键失灵/);
  await page.goto(`${station.url}/admin/destinations`);
  await page.getByRole('button', { name: /立即测试/ }).first().click();
  // It goes on by itself, and the page with it.
  await page.locator('.verdict', { hasText: '测试完成' }).waitFor();
  await page.goto(`${station.url}/admin/check`);
  await page.getByRole('button', { name: '立即自检' }).click();
  await page.locator('.findings li', { hasText: '数据库' }).first().waitFor();
  await page.goto(`${station.url}/admin/configuration`);
  assert.match(await page.locator('.config', { hasText: 'reserve_gb' }).innerText(), /配置文件第 \d+ 行/);
  await page.goto(`${station.url}/admin/rules`);
  await page.getByRole('button', { name: '试运行规则' }).click();
  await page.getByText('未作任何改动').first().waitFor();
  assert.ok(!(await page.content()).includes(CASE));
  for (const at of ['/desk', '/registers', '/rosters', '/parties', '/clips']) {
    await page.goto(station.url + at);
    await page.getByText('没有权限').waitFor();
  }
  assert.deepEqual(page.complaints.filter((c) => !/40[39]/.test(c)), []);
  await page.context().close();
  const officer = await open(chrome);
  await signIn(officer, 'jia');
  for (const at of ['/desk', '/registers', '/rosters', '/admin', '/admin/recorders']) {
    await officer.goto(station.url + at);
    await officer.getByText('没有权限').waitFor();
  }
  await officer.goto(`${station.url}/parties/${encodeURIComponent(PARTY)}`);
  await officer.getByRole('heading', { name: PARTY }).waitFor();
  await officer.context().close();
});

test('every page of the office in both languages, wide and narrow', { timeout: 240_000 }, async () => {
  await look('dang', ['/registers', '/registers/officer', '/registers/rules', '/rosters']);
  await look('head', ['/desk', '/parties', `/parties/${encodeURIComponent(PARTY)}`, '/clips', '/']);
  await look('box', ['/admin', '/admin/recorders', '/admin/recorders/36NCC009910', '/admin/destinations', '/admin/check', '/admin/configuration', '/admin/rules', '/']);
});
