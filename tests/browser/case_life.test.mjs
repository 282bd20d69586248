// The life of one case through the real page, each step by those whose work it is: the desk hands a recorder out by scanner,
// an officer brings it back from a routine check of which no case was opened, an archivist imports the case that it became,
// one key covers the outing, the head sends it for review, a reviewer agrees, an archivist files, finds and exports it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Station, browser, open, root } from './station.mjs';

const run = promisify(execFile);
const CASE = '赵卫罚〔2026〕58号';
const AT = `/cases/${encodeURIComponent(CASE)}`;
const RECORDER = '36NCC009910';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;
let far;

/** A moment in the station's zone, as `2026-06-19T09:12:00`. */
const local = (ms) => new Date(ms + 8 * 3_600_000).toISOString().slice(0, 19);

/** Waits until it is so, at most a minute and a half. */
async function until(what, isSo) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`waited in vain: ${what}`);
}

before(async () => {
  // Another device than the station's own: only there an entry of the log is off the box.
  far = await mkdtemp('/dev/shm/evidock-far-');
  const more = ['[casework]', '[[casework.number_shape]]', 'name = "daily"', "pattern = '日常检查(?:\\(未立案\\))?'",
    'display = "日常检查(未立案)"', 'key = "日常检查(未立案)"', 'kind = "unfiled"', 'example = "日常检查(未立案)"',
    '[custody]', 'checkpoint_interval_s = 1', '[keeping]', 'fonds_no = "0123"',
    '[[destination]]', 'name = "far"', 'kind = "folder"', `dir = ${JSON.stringify(far)}`];
  [station, chrome] = await Promise.all([Station.start(more), browser()]);
  await station.register('officer', '姓名,警号,单位,卡号', '采集人甲,110203,执法一科,0012345678');
  await station.register('recorder', '记录仪编号,型号,条码', `${RECORDER},DSJ-A1,ZC-1`);
  await station.register('catalogue', '执法类别,记录环节,记录事项,记录方式', '处罚,调查取证,现场检查,重点', '处罚,听证,听证,全过程');
  const day = (days) => local(Date.now() + days * 86_400_000).slice(0, 10);
  await station.roster(`采集人甲,${RECORDER},${day(-1)} 00:00,${day(2)} 00:00,,东关街18号,现场检查,店内卫生状况`);
  await station.evidock('user', 'first', 'boss');
});

after(async () => {
  await chrome?.close();
  await station?.stop();
  await rm(far, { recursive: true, force: true });
});

/** Somebody with a role, signed in with a password of their own, in a browser of their own. */
async function somebody(name, ...args) {
  const { password } = await station.evidock('user', 'add', name, ...args);
  const page = await open(chrome, { acceptDownloads: true });
  await page.goto(`${station.url}/signin`);
  await page.locator('[name=name]').fill(name);
  await page.locator('[name=password]').fill(password);
  await page.locator('.gate button.main').click();
  await page.locator('[name=present]').fill(password);
  await page.locator('[name=new]').fill(PASSWORD);
  await page.locator('[name=again]').fill(PASSWORD);
  await page.locator('form[action="/account/password"] button').click();
  await page.locator('.notice.safe').waitFor();
  return page;
}

/** A scanner types into whatever has the focus, and ends with Enter. */
async function scan(page, code) {
  await page.waitForFunction(() => document.activeElement?.name === 'code');
  await page.keyboard.type(code);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

async function handedOutAndBroughtBack(head) {
  await head.goto(`${station.url}/desk`);
  await scan(head, 'ZC-1');
  await scan(head, '0012345678');
  await head.locator('.bigsay.safe', { hasText: `${RECORDER} 已由 采集人甲 领用` }).waitFor();
  // Recorders that are made have all their clips on one day.
  const dayIn = (ms) => local(Date.now() + ms).slice(0, 10);
  await until('both recordings are of one day', () => dayIn(0) === dayIn(10_000));
  const begins = local(Date.now() + 1_000);
  const ended = Date.now() + 6_000;
  const card = path.join(station.dir, 'card');
  await run(path.join(root, 'scripts/make-recorder'), ['dsj', card, '--clips', '2', '--apart', '3', '--officer', '000000',
    '--day', begins.slice(0, 10), '--start', begins.slice(11)]);
  // Its log of the day is no clip.
  await rm(path.join(card, 'LOG'), { recursive: true });
  await rename(card, path.join(station.state, 'docks/bay-1'));
  await head.goto(station.url);
  await head.getByText('可以取走').first().waitFor();
  // A stay out ends behind what was captured in it.
  await until('the second recording has begun', () => Date.now() > ended);
  await head.goto(`${station.url}/desk`);
  await scan(head, 'ZC-1');
  await head.locator('.bigsay.safe', { hasText: '归还' }).waitFor();
  await head.getByText('没有领用中的记录仪').waitFor();
}

async function noCaseYet(officer) {
  await until('both clips have all that is known without a case', async () => {
    const found = await station.evidock('find', RECORDER).catch(() => []);
    // Sent, too: nothing about them changes by itself while somebody picks them.
    const ready = (c) => c.missing.join() === 'case_no' && c.officer === '采集人甲' && c.media_health === 'whole' && c.state === 'proven';
    return found.filter(ready).length === 2;
  });
  await officer.goto(`${station.url}/clips`);
  await officer.locator('.pick').nth(0).check();
  await officer.locator('.pick').nth(1).check();
  await officer.locator('.several [name=case_no]').fill('日常检查');
  await officer.locator('.several button[value=link]').click();
  await officer.getByText('2 个已处理').waitFor();
  await officer.goto(`${station.url}/triage`);
  await officer.getByText('没有待标注的资料').waitFor();
  assert.equal((await station.evidock('triage', 'list')).not_yet_linkable, 2);
}

async function openedAndFound(archivist, officer) {
  const file = path.join(station.dir, '立案登记.csv');
  const opened = local(Date.now()).slice(0, 10);
  await writeFile(file, '案件编号,立案号,决定书文号,当事人,案由,执法类别,承办人,地点,立案日期\n'
    + `${CASE},赵卫立〔2026〕33号,赵卫罚决〔2026〕41号,赵县永盛饭店,未公示卫生许可证,处罚,采集人甲,赵县东关街18号,${opened}\n`);
  await archivist.goto(`${station.url}/registers`);
  await archivist.locator('[name=register]').selectOption('case');
  await archivist.locator('[name=file]').setInputFiles(file);
  await archivist.getByRole('button', { name: '试导入' }).click();
  await archivist.locator('.outcome .notice.safe', { hasText: '新增 1' }).waitFor();
  await archivist.locator('[data-real]').click();
  await archivist.getByRole('link', { name: '查看导入记录' }).waitFor();

  const suggested = officer.locator('.triage > .card', { hasText: CASE });
  await until('both clips wait with the case', async () => {
    await officer.goto(`${station.url}/triage`);
    return await suggested.count() === 2;
  });
  // In a list that was empty when the page came, no card is chosen before a key is pressed: the page is opened once more.
  await officer.goto(`${station.url}/triage`);
  assert.match(await suggested.first().innerText(), /相符：承办人采集人甲、地点.*东关街18号/);
  await officer.locator('.triage > .card.current').waitFor();
  await officer.keyboard.press('o');
  await officer.getByText(`2 个资料已关联 ${CASE}`).waitFor();
  await officer.getByText('没有待标注的资料').waitFor();
}

async function sentForReview(head) {
  await head.goto(station.url + AT);
  const line = (matter) => head.locator('section[aria-labelledby=h-coverage] tr', { hasText: matter });
  await line('现场检查').getByText('已记录').waitFor();
  await line('听证').getByText('尚未进行').waitFor();
  await head.locator('#send [name=to]').fill('nobody');
  await head.locator('#send button[value=send]').click();
  await head.locator('.notice.fail', { hasText: 'nobody' }).waitFor();
  await head.locator('#send [name=to]').fill('fazhi');
  await head.locator('#send button[value=send]').click();
  await head.locator('.notice.safe', { hasText: '已送法制审核' }).waitFor();
  await head.locator('#send', { hasText: '已送审：fazhi' }).waitFor();
}

async function reviewed(reviewer) {
  await reviewer.goto(`${station.url}/review`);
  await reviewer.getByRole('link', { name: CASE }).click();
  await reviewer.locator('.choose a').first().click();
  await reviewer.locator('[name=at]').fill('0:01');
  await reviewer.locator('form[action$="/note"] [name=words]').fill('亮证清楚');
  await reviewer.getByRole('button', { name: '添加批注' }).click();
  await reviewer.locator('.people').getByText('亮证清楚').waitFor();
  await reviewer.getByLabel('同意：音像记录完整、合法、有效').check();
  await reviewer.locator('form[action$="/opinion"] [name=words]').fill('音像记录与笔录一致');
  await reviewer.getByRole('button', { name: '出具审查意见' }).click();
  await reviewer.getByText('音像记录与笔录一致').first().waitFor();
}

async function filed(archivist) {
  await archivist.goto(station.url + AT);
  await archivist.getByRole('link', { name: '归档检查' }).click();
  await archivist.getByRole('button', { name: '结案' }).click();
  await archivist.getByText('已结案').first().waitFor();
  await archivist.locator('[name=archival_code]').fill('0123-2026-0058');
  await archivist.locator('[name=term]').fill('30年');
  await archivist.getByRole('button', { name: '立卷' }).click();
  await archivist.getByText('已立卷').first().waitFor();
  await until('the check finds no gap', async () => {
    await archivist.goto(`${station.url}${AT}/filing`);
    return await archivist.locator('#h-check ~ ul .chip').count() === 0;
  });
  await archivist.locator('[name=opinion]').fill('四性检测通过');
  await archivist.getByRole('button', { name: '检查并归档' }).click();
  await archivist.getByText('已归档').first().waitFor();
}

async function found(archivist) {
  const box = archivist.locator('input[name=q]');
  for (const typed of ['赵卫罚[2026]58', '赵卫罚（２０２６）第０５８号', '2026〕58', '赵卫罚决【2026】041', '赵卫立(2026)33', '永盛饭店']) {
    await archivist.goto(station.url + AT);
    await box.fill(typed);
    await Promise.all([archivist.waitForNavigation(), box.press('Enter')]);
    assert.equal(await archivist.locator('tbody tr').count(), 2, typed);
    await archivist.getByRole('link', { name: CASE }).first().waitFor();
  }
  await archivist.goto(`${station.url}/clips?q=${encodeURIComponent('赵卫罚[2026]59')}`);
  assert.equal(await archivist.locator('tbody tr').count(), 0);
}

async function exported(one, two) {
  await one.goto(station.url + AT);
  await one.getByRole('link', { name: '导出证据包' }).click();
  await one.locator('[name=reason]').fill('行政诉讼举证');
  await one.locator('[name=basis]').fill('调取证据通知书〔2026〕9号');
  await one.getByRole('button', { name: '申请导出' }).click();
  await one.getByText('待另一人确认').first().waitFor();
  await two.goto(`${station.url}/exports`);
  await two.getByRole('link', { name: CASE }).click();
  await two.getByRole('button', { name: '确认导出' }).click();
  await two.getByText('已完成并签名').waitFor();
  const [download] = await Promise.all([two.waitForEvent('download'), two.getByRole('link', { name: '下载' }).click()]);
  const [zip, folder] = ['package.zip', 'package'].map((name) => path.join(station.dir, name));
  await download.saveAs(zip);
  await run('python3', ['-c', 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])', zip, folder]);
  const report = await station.evidock('import-check', folder, '--trust', path.join(station.state, 'log.key.pub'));
  assert.deepEqual([report.whole, report.origin_shown, report.clips], [true, true, 2], JSON.stringify(report.problems));
}

test('a routine check becomes a case, is reviewed, filed, found and exported', { timeout: 300_000 }, async () => {
  const head = await somebody('head', '--role', 'department_head', '--unit', '执法一科');
  await handedOutAndBroughtBack(head);
  const officer = await somebody('jia', '--role', 'officer', '--officer', '采集人甲', '--unit', '执法一科');
  await noCaseYet(officer);
  const archivist = await somebody('dang', '--role', 'archivist');
  await openedAndFound(archivist, officer);
  const reviewer = await somebody('fazhi', '--role', 'legal_reviewer');
  await sentForReview(head);
  await reviewed(reviewer);
  await filed(archivist);
  await found(archivist);
  const second = await somebody('dang-2', '--role', 'archivist');
  await exported(archivist, second);
  for (const [page, expected] of [[head, /404/], [officer, /$^/], [reviewer, /$^/], [archivist, /$^/], [second, /$^/]]) {
    assert.deepEqual(page.complaints.filter((c) => !expected.test(c)), []);
    await page.context().close();
  }
});
