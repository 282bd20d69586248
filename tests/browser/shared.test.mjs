// Recorders that two shifts share, by the page alone: one whose clock lost its power and stands in the year 2000, one whose
// clock is forty minutes ahead over the change of shifts. Neither gives a clip to anybody by itself; triage says why, and
// whoever types when it was sees the right officer and case appear.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Station, browser, open } from './station.mjs';

const LOST = '36NCC009910';
const AHEAD = '36NCC009911';
const EARLY = { officer: '采集人甲', case: '赵卫罚〔2026〕12号', place: '东关街18号' };
const LATE = { officer: '采集人乙', case: '赵卫罚〔2026〕13号', place: '西街3号' };
const MINUTE = 60_000;
const begun = Date.now();
/** So many minutes from the begin of this test, in the station's zone, as people and rosters write it. */
const at = (minutes) => new Date(begun + minutes * MINUTE + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
let station;
let chrome;

async function until(what, isSo) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`not within 90 s: ${what}`);
}

const waiting = async () => (await (await fetch(`${station.url}/api/v1/triage`)).json()).clips;
const records = async (recorder) => (await station.evidock('find', recorder).catch(() => [])).filter((c) => c.media_health === 'whole');

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.register('officer', '姓名,警号,单位', `${EARLY.officer},110203,执法一科`, `${LATE.officer},110204,执法一科`);
  // The shifts changed half an hour ago.
  const row = (shift, recorder, from, to) => `${shift.officer},${recorder},${from},${to},${shift.case},${shift.place},现场检查,现场全貌`;
  await station.roster(...[LOST, AHEAD].flatMap((recorder) => [
    row(EARLY, recorder, at(-480), at(-30)), row(LATE, recorder, at(-30), at(240))]));
  await station.dock('dsj', 'bay-1', '--device', LOST, '--clips', '2', '--day', '2000-01-01', '--start', '09:00');
  // Captured 50 and 25 minutes ago, and named 40 minutes later: both look like the late shift's. Recorders that are made have
  // all their clips on one day: around midnight both come a little later, and wait no less.
  const [first, last] = [at(-10), at(15)];
  const start = first.slice(0, 10) === last.slice(0, 10) ? first.slice(11) : '00:00:00';
  await station.dock('dsj', 'bay-2', '--device', AHEAD, '--clips', '2', '--apart', '1500', '--day', last.slice(0, 10), '--start', start);
  await until('four clips are probed, and wait with what is odd', async () => {
    const probed = (await Promise.all([LOST, AHEAD].map(records))).flat();
    const clips = await waiting();
    return probed.length === 4 && clips.length === 4 && clips.every((c) => c.notes.length > 0);
  });
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

const cards = (page, recorder) => page.locator('.triage > .card', { hasText: recorder });

/** Each of its clips waits on the page of triage, with these words, and is nobody's. */
async function nobodys(page, recorder, count, words) {
  await page.goto(`${station.url}/triage`);
  await cards(page, recorder).first().waitFor();
  assert.equal(await cards(page, recorder).count(), count);
  for (const card of await cards(page, recorder).all()) {
    const text = await card.innerText();
    assert.match(text, words);
    // It goes from hand to hand: the number that is burned into its names is not followed either.
    assert.match(text, /文件名 110203：采集时间不明，记录仪又由多人领用/);
    assert.ok(![EARLY, LATE].some((shift) => text.includes(shift.officer) || text.includes(shift.case)), text);
    assert.equal(await card.locator('[name=case_no]').inputValue(), '', 'no case is suggested');
  }
}

/** A person types on the page of a clip when it was captured, and the page shows whose it is. */
async function captured(page, id, minutes, shift) {
  await page.goto(`${station.url}/clips/${id}`);
  const five = page.locator('section.five');
  assert.ok(!(await five.innerText()).includes(shift.officer));
  await page.locator('#annotate [name=captured_start]').fill(at(minutes));
  await page.locator('#annotate button').click();
  await page.locator('.notice.safe').waitFor();
  await page.waitForLoadState();
  await until(`the page says that it is ${shift.officer}'s`, async () => {
    await page.reload();
    const text = await five.innerText();
    return [shift.officer, shift.case, shift.place].every((known) => text.includes(known));
  });
  const record = await station.evidock('show', id);
  assert.deepEqual([record.officer, record.case_no, record.place], [shift.officer, shift.case, shift.place]);
  assert.deepEqual([record.origins.captured_start.origin, record.origins.officer.origin], ['person', 'roster']);
}

test('a clock in the year 2000 says nobody, until a person types when it was', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await nobodys(page, LOST, 2, /20000101_09\d{4}：早于 2001 年，记录仪时钟没有校准/);
  const [one, other] = (await waiting()).filter((c) => c.notes.some((n) => n.includes('clock_unset'))).map((c) => c.record_id);
  // From the card to the page of its clip, as a person goes.
  await page.locator(`#c-${one} h2 a`).click();
  await page.waitForURL(`**/clips/${one}*`);
  await captured(page, one, -180, EARLY);
  await nobodys(page, LOST, 1, /记录仪时钟没有校准/);
  await captured(page, other, -15, LATE);
  assert.equal((await station.evidock('find', '--case', EARLY.case)).length, 1);
  assert.equal((await station.evidock('find', '--case', LATE.case)).length, 1);
  // What the recorder said stays beside it.
  assert.match((await station.evidock('show', one)).captured_raw, /^20000101_/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a clock forty minutes ahead gives the late shift nothing of the early one', { timeout: 120_000 }, async () => {
  const page = await open(chrome);
  await nobodys(page, AHEAD, 2, /记录仪时钟不准，这段时间内记录仪又换了领用人或班次|晚于接入时间，记录仪时钟偏快/);
  const found = await records(AHEAD);
  assert.deepEqual(found.map((c) => [c.officer, c.case_no, c.cases.length, c.place]), Array(2).fill([null, null, 0, null]));
  assert.ok(found.every((c) => c.captured_start && c.clock_offset_ms > 5 * MINUTE), 'its own time stands, and what it was off beside it');
  const [first, last] = [...found].sort((a, b) => a.captured_start.localeCompare(b.captured_start)).map((c) => c.record_id);
  await page.goto(`${station.url}/clips/${last}`);
  await page.getByText('接入时记录仪时钟快约').first().waitFor();
  await page.getByText('晚于接入时间，记录仪时钟偏快').first().waitFor();
  await captured(page, first, -50, EARLY);
  await nobodys(page, AHEAD, 1, /记录仪时钟/);
  await captured(page, last, -25, LATE);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
