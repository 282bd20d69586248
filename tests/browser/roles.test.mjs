// Each role's story from the sign-in form to its goal, by what a person sees: labels, buttons and links by the product's own
// words. What lies beyond a role is not in its navigation, and its address answers in words. On the page of the goal axe-core
// finds nothing, nothing is wider than the screen and the browser complained of nothing; it is kept as a picture under
// target/screenshots/roles.
//
// Each story is told in two looks, of which one has in everything what the other has not; with EVIDOCK_TEST_FULL=1 also in
// Chinese in the dark at 390 pixels and in English in the light at 1440. In its first look a role signs in with the password
// that was handed over. What a story changes is another case or clip in each look. ROLES=word tells only stories whose name
// has the word.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open, root } from './station.mjs';
import { words } from './words.mjs';

const out = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'screenshots/roles');
const PASSWORD = 'a sentence of mine';
const FIRST_UNIT = '执法一科';
const SECOND_UNIT = '执法二科';
/** One case for each look: of the first unit, reviewed and sampled; of the second, filed and exported. */
const cases = (from) => LOOKS.map((_, n) => `赵卫罚〔2026〕${from + n}号`);
const OURS = cases(11);
const THEIRS = cases(51);
/** A time of the day of both recorders, whose clips begin a quarter of an hour apart. */
const time = (minutes) => new Date(Date.UTC(2026, 5, 19, 9, minutes)).toISOString().slice(11, 16);
const begun = (n) => `2026-06-19 ${time(12 + 15 * n)}:00`;
const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
/** What stands in records and numbers of cases, of which those who keep box and log learn nothing. */
const CONTENT = /采集人[甲乙]|赵卫罚|东关街|第\d饭店/;
const passwords = {};
/** Record ids by the number of their case. */
let clips = {};
let station;
let chrome;
let far;
/** An archivist who confirms what another one asked for. */
let second;
let found;
let elsewhere;

async function until(what, isSo) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  assert.fail(`not within 90 s: ${what}`);
}

before(async () => {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  // Another device than the station's own: only there an entry of the log is off the box, as the archive asks.
  far = await mkdtemp('/dev/shm/evidock-far-');
  const more = ['[custody]', 'checkpoint_interval_s = 1', '[keeping]', 'fonds_no = "0123"',
    '[[destination]]', 'name = "far"', 'kind = "folder"', `dir = ${JSON.stringify(far)}`];
  [station, chrome] = await Promise.all([Station.start(more), browser()]);
  await station.register('case', '案件编号,当事人,案由', ...[...OURS, ...THEIRS].map((no, n) => `${no},赵县第${n + 1}饭店,未公示卫生许可证`));
  const shift = (n) => `2026-06-19 ${time(10 + 15 * n)},2026-06-19 ${n + 1 === LOOKS.length ? '23:59' : time(25 + 15 * n)}`;
  await station.roster(
    // Where is left to the officer.
    ...OURS.map((no, n) => `采集人甲,36NCC009910,${shift(n)},${no},,现场检查,现场全貌`),
    ...THEIRS.map((no, n) => `采集人乙,36NCC009874,${shift(n)},${no},东关街18号,现场检查,现场全貌`));
  await station.register('catalogue', '记录环节,记录事项,记录方式,必有', '调查取证,现场检查,全过程,是');
  const many = ['--clips', String(LOOKS.length)];
  await Promise.all([station.dock('dsj', 'bay-1', ...many), station.dock('dsj', 'bay-2', '--device', '36NCC009874', ...many)]);
  await until('both recorders are taken in, sent and looked at', async () => {
    const { items } = await (await fetch(`${station.url}/api/v1/clips?limit=200`)).json();
    const ready = items.filter((c) => c.case_no && c.state === 'proven' && c.media_health === 'whole');
    clips = Object.fromEntries(ready.map((c) => [c.case_no, c.record_id]));
    return [...OURS, ...THEIRS].every((no) => clips[no]);
  });
  await people();
  // What was found in a random sample of each unit: the head of department of one answers.
  const draw = async (unit) => (await station.evidock('sample', 'draw', '--period', '2026-06', '--unit', unit, '--count', String(LOOKS.length))).samples[0];
  found = await draw(FIRST_UNIT);
  elsewhere = await draw(SECOND_UNIT);
  for (const n of LOOKS.keys()) {
    await station.evidock('sample', 'judge', String(found), String(n + 1), '--no', '1', '--words', '未见亮证', '--due', day(14));
    await station.evidock('review', OURS[n], '--to', 'reviewer');
    await station.evidock('review', OURS[n], '--to', `guest-${n}`, '--until', day(2));
  }
  second = await open(chrome);
  await signIn(second, words('zh-CN'), 'archivist-2');
});

after(async () => {
  await chrome?.close();
  await station?.stop();
  if (far) await rm(far, { recursive: true, force: true });
});

/** An account of every role, by the command line. */
async function people() {
  const accounts = [
    ['officer', 'officer', '--officer', '采集人甲', '--unit', FIRST_UNIT],
    ['officer-2', 'officer', '--officer', '采集人乙', '--unit', SECOND_UNIT],
    ['head', 'department_head', '--unit', FIRST_UNIT],
    ['supervisor', 'supervisor'], ['reviewer', 'legal_reviewer', '--label', '周审核'],
    ['archivist', 'archivist'], ['archivist-2', 'archivist'], ['auditor', 'auditor'], ['box', 'system_administrator'],
    ...LOOKS.map((_, n) => [`guest-${n}`, 'legal_reviewer', '--label', '外聘专家', '--until', day(1)]),
  ];
  passwords.boss = (await station.evidock('user', 'first', 'boss')).password;
  for (const [login, role, ...facts] of accounts) {
    passwords[login] = (await station.evidock('user', 'add', login, '--role', role, ...facts)).password;
  }
}

// --- What people do ------------------------------------------------------------------------------

const exactly = (name) => ({ name, exact: true });
const box = (where, name) => where.getByRole('textbox', exactly(name));
const button = (where, name) => where.getByRole('button', exactly(name));
const panel = (page, name) => page.getByRole('region', exactly(name));
const navigation = (page, w) => page.getByRole('navigation', exactly(w.nav_label));
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: typeof name === 'string' }).waitFor();
const said = (page, text) => page.getByRole('status').filter({ hasText: text }).waitFor();

/** Presses what leads to another page, and is there. */
async function press(page, what) {
  await Promise.all([page.waitForEvent('framenavigated'), what.click()]);
  await page.waitForLoadState();
}

/** By an entry of the navigation to the page that it names. */
async function go(page, w, entry, heading) {
  await press(page, navigation(page, w).getByRole('link', { name: entry }));
  await title(page, heading);
}

/** In, and past the own password where another one was handed over. */
async function signIn(page, w, login) {
  await page.goto(station.url);
  await title(page, w.sign_in_title);
  await box(page, w.login_name).fill(login);
  await page.getByLabel(w.password, { exact: true }).fill(passwords[login]);
  await press(page, button(page, w.sign_in));
  if (passwords[login] !== PASSWORD) {
    await title(page, w.must_change);
    await page.getByLabel(w.password_present, { exact: true }).fill(passwords[login]);
    await page.getByLabel(w.password_new, { exact: true }).fill(PASSWORD);
    await page.getByLabel(w.password_again, { exact: true }).fill(PASSWORD);
    await press(page, button(page, w.change_password));
    await said(page, w.password_changed);
    passwords[login] = PASSWORD;
  }
  await page.getByRole('link', { name: w.my_account }).waitFor();
}

async function play(page) {
  const video = page.locator('video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.2);
}

/** The browser's words about an answer that the story brings about. */
const answered = (page, status) => page.answered.push(`status of ${status}`);

/** No entry of the navigation leads there, and each address is answered with this status in these words. */
async function beyond(page, w, entries, places) {
  for (const entry of entries) assert.equal(await navigation(page, w).getByRole('link', { name: entry }).count(), 0, `the navigation offers ${entry}`);
  for (const [at, status, heading, detail] of places) {
    answered(page, status);
    assert.equal((await page.goto(station.url + at)).status(), status, at);
    await title(page, heading);
    await page.getByText(detail, { exact: true }).waitFor();
    await page.getByRole('link', exactly(w.err_back)).waitFor();
  }
}

const noRight = (w, ...places) => places.map((at) => [at, 403, w.err_forbidden, w.err_no_right]);
const notTheirs = (w, clip) => [`/clips/${clip}`, 403, w.err_forbidden, w.err_not_theirs];
const caseAt = (no, more = '') => `/cases/${encodeURIComponent(no)}${more}`;
const reviewOf = (no) => `/review/${encodeURIComponent(no)}`;

// --- The stories ---------------------------------------------------------------------------------

const STORIES = {
  officer: {
    // Looks through what they recorded themselves, watches a clip and says where it was.
    async story(page, w, n) {
      await go(page, w, w.nav_clips, w.clips_title);
      assert.ok(await page.getByText('采集人甲').count() > 0, 'their own clips');
      assert.equal(await page.getByText('采集人乙').count(), 0, 'nothing of others');
      await go(page, w, w.nav_annotate, w.nav_annotate);
      await press(page, page.getByRole('heading', { level: 2, name: begun(n) }).getByRole('link'));
      await play(page);
      assert.equal(await page.getByRole('link', { name: w.download }).count(), 0, 'an officer watches and does not save');
      // A fact that is missing says so in its label.
      await panel(page, w.annotate_title).getByRole('textbox', { name: w.f_place }).fill(`北大街 ${n + 1} 号`);
      await press(page, button(panel(page, w.annotate_title), w.save));
      await said(page, w.done_annotated);
      await panel(page, w.five_facts).getByText(`北大街 ${n + 1} 号`).waitFor();
      assert.equal(await panel(page, w.five_facts).getByText(w.fact_missing).count(), 0, 'all five facts are there');
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_log, w.nav_accounts, w.office.nav_admin, w.office.nav_desk, w.oversight.nav_reports],
      [notTheirs(w, clips[THEIRS[n]]), ...noRight(w, '/log', '/reports', caseAt(OURS[n], '/export'))]),
  },

  'head-of-department': {
    login: 'head',
    // Answers what was found about the own unit.
    async story(page, w, n) {
      const o = w.oversight;
      await go(page, w, o.nav_sampling, o.sampling_title);
      assert.equal(await page.getByText(SECOND_UNIT).count(), 0, 'another unit is not told of');
      assert.equal(await button(page, o.draw).count(), 0, 'a head of department draws nothing');
      // The oldest; the supervisor may be drawing others.
      await press(page, panel(page, o.samples_title).getByRole('link').last());
      await title(page, new RegExp(FIRST_UNIT));
      const clip = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: new RegExp(`^${n + 1} ·`) }) });
      await clip.getByText('未见亮证').waitFor();
      await box(clip, o.answer_words).fill('已组织亮证培训');
      await press(page, button(clip, o.answer));
      await clip.getByText(o.st_answered, { exact: true }).waitFor();
      await clip.getByText('已组织亮证培训').waitFor();
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_log, w.nav_accounts, w.office.nav_admin, w.oversight.nav_review],
      [[`/sampling/${elsewhere}`, 404, w.err_not_found, w.err_not_found_detail], notTheirs(w, clips[THEIRS[n]]), ...noRight(w, '/log', caseAt(OURS[n], '/export'))]),
  },

  supervisor: {
    // Draws a sample, says why a clip of it is looked at, and judges it.
    async story(page, w) {
      const o = w.oversight;
      await go(page, w, o.nav_sampling, o.sampling_title);
      const draw = panel(page, o.draw_title);
      await box(draw, o.draw_month).fill('2026-06');
      await draw.getByRole('combobox', exactly(o.unit)).selectOption(FIRST_UNIT);
      await draw.getByRole('spinbutton', exactly(o.draw_count)).fill('1');
      await press(page, button(draw, o.draw));
      await title(page, new RegExp(FIRST_UNIT));
      const first = page.getByRole('heading', { name: /^1 ·/ });
      answered(page, 403);
      await press(page, first.getByRole('link'));
      await title(page, w.purpose_title);
      assert.equal(await page.locator('video').count() + await page.getByText('采集人甲').count(), 0, 'nothing is shown before it is said why');
      await press(page, button(page, w.purpose_sampling));
      await play(page);
      assert.equal(await page.getByRole('link', { name: w.download }).count(), 0, 'a supervisor watches and does not save');
      assert.equal(await panel(page, w.annotate_title).count(), 0, 'and changes nothing');
      await go(page, w, o.nav_sampling, o.sampling_title);
      await press(page, panel(page, o.samples_title).getByRole('link').first());
      const clip = page.getByRole('listitem').filter({ has: first });
      for (const yes of await clip.getByRole('radio', exactly(o.pt_yes)).all()) await yes.check();
      await clip.getByRole('radio', exactly(o.pt_no)).first().check();
      await box(clip, o.remark).fill('未见亮证');
      await press(page, button(clip, o.judge));
      await clip.getByText(o.st_rectify, { exact: true }).waitFor();
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_annotate, w.nav_log, w.nav_accounts, w.office.nav_admin, w.office.nav_desk, w.oversight.nav_review],
      noRight(w, '/log', '/accounts', caseAt(OURS[n], '/export'))),
  },

  'legal-reviewer': {
    login: 'reviewer',
    // Sees a case that was sent, notes at a second of a clip, gives the opinion and has it on paper.
    async story(page, w, n) {
      const o = w.oversight;
      await go(page, w, o.nav_review, o.review_title);
      await press(page, page.getByRole('main').getByRole('link', exactly(OURS[n])));
      await title(page, OURS[n]);
      await press(page, panel(page, o.review_clips).getByRole('link', { name: begun(n) }));
      await play(page);
      await button(page, o.note_take).click();
      assert.match(await box(page, o.note_at).inputValue(), /^0:0\d$/);
      await box(page, o.note_words).fill('未告知陈述申辩权利');
      await press(page, button(page, o.note_add));
      await page.getByRole('listitem').filter({ hasText: '未告知陈述申辩权利' }).waitFor();
      await page.getByRole('radio', exactly(o.v_supplement)).check();
      await box(page, o.opinion_words).fill('补充告知笔录');
      await press(page, button(page, o.opinion_give));
      await press(page, page.getByRole('link', { name: o.opinion_print }));
      await title(page, o.opinion_document);
      const paper = page.getByRole('article');
      for (const told of [OURS[n], o.v_supplement, '补充告知笔录', '未告知陈述申辩权利', '周审核']) await paper.getByText(told).first().waitFor();
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_annotate, w.nav_log, w.nav_accounts, w.office.nav_admin, w.oversight.nav_reports, w.oversight.nav_sampling],
      [[reviewOf(THEIRS[n]), 404, w.err_case_not_found, w.no_case_match_detail], notTheirs(w, clips[THEIRS[n]]), ...noRight(w, '/log', '/sampling')]),
  },

  archivist: {
    // Finds a case by half its number, closes, binds and files it; asks for its evidence package, which another one confirms.
    async story(page, w, n) {
      const k = w.keeping;
      await go(page, w, w.nav_cases, w.cases_title);
      await page.getByRole('searchbox', exactly(w.f_case_no)).fill(`[2026]${51 + n}`);
      await press(page, button(page, w.search));
      await press(page, page.getByRole('main').getByRole('link', exactly(THEIRS[n])));
      await title(page, THEIRS[n]);
      await press(page, page.getByRole('link', { name: k.filing_page }));
      await title(page, k.filing_title);
      await press(page, button(page, k.close_case));
      await said(page, k.done_closed);
      assert.equal(await box(page, k.fonds_no).inputValue(), '0123', 'what is configured is not asked');
      await box(page, k.archival_code).fill(`0123-2026-30Y-000${n + 1}`);
      await box(page, k.term).fill('30年');
      await press(page, button(page, k.bind_case));
      await said(page, k.done_bound);
      await page.waitForLoadState();
      // The newest entries of the log are anchored within a second or two.
      await until('the check finds no gap', async () => {
        await page.reload();
        return await page.getByRole('heading', exactly(k.gaps)).count() === 0;
      });
      await box(page, k.sign_opinion).fill('四性检测通过');
      await press(page, button(page, k.file_case));
      await said(page, k.done_filed);
      await press(page, page.getByRole('main').getByRole('link', exactly(THEIRS[n])).first());
      await press(page, page.getByRole('link', { name: w.export_title }));
      await box(page, w.pk_reason).fill('行政诉讼举证');
      await box(page, w.pk_basis).fill(`调取证据通知书〔2026〕${n + 1}号`);
      await box(page, w.pk_recipient).fill('县人民法院');
      await press(page, button(page, w.export_ask));
      await page.getByText(w.export_asked, { exact: true }).waitFor();
      await confirmed(second, words('zh-CN'), THEIRS[n]);
      // The page keeps itself fresh.
      await page.getByText(w.export_ready, { exact: true }).waitFor({ timeout: 60_000 });
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', exactly(w.export_fetch)).click()]);
      assert.match(download.suggestedFilename(), /赵卫罚.*\.zip$/);
    },
    bounds: (page, w) => beyond(page, w, [w.nav_log, w.nav_accounts, w.office.nav_admin, w.oversight.nav_sampling, w.oversight.nav_review],
      noRight(w, '/log', '/accounts', '/sampling', '/admin/recorders')),
  },

  auditor: {
    // Finds who signed in, and what else that account did; no footage and no name of a case.
    async story(page, w) {
      await go(page, w, w.nav_log, w.log_title);
      await page.getByRole('combobox', exactly(w.log_kind)).selectOption({ label: w.log_access });
      await press(page, button(page, w.filter));
      const entry = page.getByRole('row').filter({ has: page.getByRole('cell', exactly(w.event.SignedIn)) }).last();
      const who = (await entry.getByRole('cell').nth(3).textContent()).trim();
      // The number, and beside it what the account is called.
      const [, number, called] = new RegExp(`^${w.by_user} (\\d+)\\s*(\\S.*)$`).exec(who) ?? assert.fail(who);
      // Whoever has a name of their own has the one they sign in with behind it.
      assert.ok((/[（(](\S+)[)）]$/.exec(called)?.[1] ?? called) in passwords, who);
      await box(page, w.log_actor).fill(`user:${number}`);
      await press(page, button(page, w.filter));
      const theirs = await page.locator('tbody td:nth-child(4)').allTextContents();
      assert.deepEqual([...new Set(theirs.map((t) => t.trim()))], [who], 'what one account did, and no other');
      assert.doesNotMatch(await page.content(), CONTENT);
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_clips, w.nav_annotate, w.nav_cases, w.keeping.nav_keeping, w.nav_accounts, w.office.nav_admin],
      noRight(w, '/clips', `/clips/${clips[OURS[n]]}`, `/clips/${clips[OURS[n]]}/media`, caseAt(OURS[n]), '/accounts', '/admin')),
  },

  'system-administrator': {
    login: 'box',
    // Tries a destination and has the box check itself; no content.
    async story(page, w) {
      const o = w.office;
      await go(page, w, o.nav_admin, o.admin_title);
      const within = page.getByRole('navigation', exactly(o.admin_title));
      await press(page, within.getByRole('link', exactly(w.destinations)));
      await title(page, w.destinations);
      await press(page, page.getByRole('button', { name: new RegExp(`${o.try_now}.*far`) }));
      // It goes on by itself, and the page with it.
      const trial = panel(page, 'far').getByRole('status');
      await trial.locator('.verdict.safe').waitFor({ timeout: 60_000 });
      await press(page, within.getByRole('link', exactly(o.check_title)));
      await title(page, o.check_title);
      await press(page, button(page, o.check_now));
      await page.locator('.findings li').first().waitFor({ timeout: 60_000 });
      await page.getByText(o.check_running, { exact: true }).waitFor({ state: 'hidden', timeout: 60_000 });
      assert.doesNotMatch(await page.content(), CONTENT);
    },
    bounds: (page, w, n) => beyond(page, w, [w.nav_clips, w.nav_annotate, w.nav_cases, w.keeping.nav_keeping, w.nav_log, w.nav_accounts],
      noRight(w, '/clips', `/clips/${clips[OURS[n]]}`, caseAt(OURS[n]), '/log', '/accounts')),
  },

  'security-administrator': {
    login: 'boss',
    // Is kept from giving one person two of the three, then lets somebody in.
    async story(page, w, n) {
      await go(page, w, w.nav_accounts, w.accounts_title);
      const made = page.locator('details', { hasText: w.account_add });
      await made.locator('summary').click();
      await box(made, w.login_name).fill(`new-${n}`);
      await box(made, w.account_label).fill('新来的');
      await box(made, w.account_unit).fill(SECOND_UNIT);
      const role = (name) => made.getByRole('checkbox', exactly(name));
      await role(w.role_officer).check();
      await role(w.role_auditor).check();
      answered(page, 422);
      await press(page, button(made, w.account_add));
      await page.getByRole('alert').filter({ hasText: '三员分立' }).waitFor();
      await role(w.role_auditor).uncheck();
      await press(page, button(made, w.account_add));
      await said(page, w.account_made);
      assert.match(await page.getByRole('status').filter({ hasText: w.account_made }).innerText(), /\b[a-z0-9]{4}(-[a-z0-9]{4}){3}\b/);
      await page.getByRole('listitem').filter({ hasText: `new-${n}` }).getByText(w.account_first_time).waitFor();
    },
    bounds: (page, w) => beyond(page, w, [w.nav_clips, w.nav_annotate, w.nav_cases, w.keeping.nav_keeping, w.nav_log, w.office.nav_admin],
      noRight(w, '/clips', '/log', '/admin', '/sampling')),
  },

  'outside-reviewer': {
    login: (n) => `guest-${n}`,
    // Is told until when, sees the one case that was sent to them, and notes at a second of its clip.
    async story(page, w, n) {
      const o = w.oversight;
      await press(page, page.getByRole('link', { name: w.my_account }));
      await page.getByRole('main').getByText(w.account_until).waitFor();
      await go(page, w, o.nav_review, o.review_title);
      assert.deepEqual(await page.getByRole('main').getByRole('link').allInnerTexts(), [OURS[n]]);
      await press(page, page.getByRole('main').getByRole('link', exactly(OURS[n])));
      await press(page, panel(page, o.review_clips).getByRole('link', { name: begun(n) }));
      await play(page);
      await box(page, o.note_at).fill('0:01');
      await box(page, o.note_words).fill('画面未拍到执法证件');
      await press(page, button(page, o.note_add));
      await page.getByRole('listitem').filter({ hasText: '画面未拍到执法证件' }).waitFor();
    },
    async bounds(page, w, n) {
      const other = OURS[(n + 1) % LOOKS.length];
      await beyond(page, w, [w.nav_annotate, w.nav_log, w.nav_accounts, w.oversight.nav_reports, w.oversight.nav_sampling],
        [[reviewOf(other), 404, w.err_case_not_found, w.no_case_match_detail], notTheirs(w, clips[other]), ...noRight(w, '/reports')]);
      // Their time ends: the page that was open leads back to the form, which says why nobody gets in there.
      await station.evidock('user', 'change', `guest-${n}`, '--until', new Date(Date.now() + 4_000).toISOString());
      await until('the time of an outside reviewer is over', async () => {
        await page.goto(station.url + reviewOf(OURS[n]));
        return new URL(page.url()).pathname === '/signin';
      });
      await box(page, w.login_name).fill(`guest-${n}`);
      await page.getByLabel(w.password, { exact: true }).fill(PASSWORD);
      answered(page, 401);
      await press(page, button(page, w.sign_in));
      await page.getByRole('alert').filter({ hasText: w.sign_in_closed }).waitFor();
    },
  },
};

/** The second archivist finds what waits for them on the page of cases. */
async function confirmed(page, w, number) {
  await go(page, w, w.nav_cases, w.cases_title);
  await press(page, page.getByRole('link', exactly(w.export_list)));
  await title(page, w.export_title);
  await press(page, page.getByRole('link', { name: number }));
  await press(page, button(page, w.export_confirm));
}

// --- Each of them in each look -------------------------------------------------------------------

/** Nothing that axe-core finds, and nothing that is wider than the screen. */
async function clean(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `it scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
}

async function tell(name, { login = name, story, bounds }, [locale, colorScheme, width], n) {
  const w = words(locale);
  const page = await open(chrome, { locale, colorScheme, viewport: { width, height: width === 390 ? 844 : 900 } });
  page.answered = [];
  const file = `${name}-${locale}-${colorScheme}-${width}.png`;
  const complaints = () => page.complaints.filter((c) => !page.answered.some((status) => c.includes(status)));
  try {
    await signIn(page, w, typeof login === 'function' ? login(n) : login);
    await story(page, w, n);
    assert.deepEqual(complaints(), []);
    await page.screenshot({ path: path.join(out, file), fullPage: true });
    await clean(page);
    // What the policy of the page says to axe-core is no complaint about the page.
    page.complaints.length = 0;
    await bounds(page, w, n);
    assert.deepEqual(complaints(), []);
  } catch (error) {
    // Where it came to, beside the pictures of the others.
    await page.screenshot({ path: path.join(out, `stopped-${file}`), fullPage: true }).catch(() => {});
    throw error;
  } finally {
    await page.context().close();
  }
}

test('each role, from the sign-in form to its goal', { concurrency: 2, timeout: 840_000 }, async (t) => {
  const told = Object.entries(STORIES).filter(([name]) => name.includes(process.env.ROLES ?? ''));
  await Promise.all(told.map(([name, role]) => t.test(name, async (mine) => {
    for (const [n, look] of LOOKS.entries()) await mine.test(look.join(' '), { timeout: 300_000 }, () => tell(name, role, look, n));
  })));
});
