// Triage by keyboard alone: thirteen clips of two outings get case, place and what they prove on the page itself, one key where
// something is known and a handful where nothing is. What is counted is keys, since those are a person's seconds; how long the
// machine takes for each is told beside them, and never judged: this may run on a busy machine.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Station, axeSource, browser, open } from './station.mjs';

const FIRST = { recorder: '36NCC000002', officer: '110203', clips: 8, case: '赵卫罚〔2026〕12号', typed: '赵卫罚[2026]12', place: '东关街18号', proves: '现场检查' };
const SECOND = { recorder: '36NCC000003', officer: '110204', clips: 5, case: '赵卫罚〔2026〕31号', typed: '赵卫罚（2026）31', place: '西街3号', proves: '留置送达' };
const OTHER = '赵卫罚〔2026〕40号';
let station;
let chrome;

async function until(what, holds) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`not within 90 s: ${what}`);
}

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  await station.register('catalogue', '记录环节,记录事项,记录方式,记录内容',
    '调查取证,现场检查,重点,亮证、告知、检查过程', '送达,留置送达,全过程,送达过程', '听证,听证,全过程,听证全程', '调查取证,书证提取,文字,');
  for (const [n, outing] of [FIRST, SECOND].entries()) {
    await station.dock('dsj', `bay-${n + 1}`, '--device', outing.recorder, '--officer', outing.officer,
      '--clips', String(outing.clips), '--apart', '120');
  }
  await until('every clip is probed, and lacks case, place and what it proves', async () => {
    const { total, clips } = await (await fetch(`${station.url}/api/v1/triage`)).json();
    const lacking = clips.filter((c) => c.missing.join() === 'case_no,place,proves' && c.officer);
    const probed = await Promise.all([FIRST, SECOND].map((o) => station.evidock('find', o.recorder).catch(() => [])));
    // Sent, too: nothing about them changes by itself while somebody types.
    return total === 13 && lacking.length === 13 && probed.flat().filter((c) => c.media_health === 'whole' && c.state === 'proven').length === 13;
  });
});

after(async () => {
  await chrome?.close();
  await station?.stop();
});

/** A person at the keyboard: every key is counted, and how long the page took after the one that decides. */
class Hands {
  constructor(page) {
    Object.assign(this, { page, keys: 0, clips: [] });
  }

  async press(...keys) {
    for (const key of keys) {
      await this.page.keyboard.press(key);
      this.keys += 1;
    }
  }

  async type(text) {
    await this.page.keyboard.type(text);
    this.keys += [...text].length;
  }

  /** The key that decides; the page that comes is there once its first card can be decided about. */
  async decide(key) {
    const begun = performance.now();
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press(key)]);
    await this.page.locator('.triage > .card.current, .blank').first().waitFor();
    const decided = { keys: this.keys + 1, machine_ms: performance.now() - begun };
    this.keys = 0;
    return decided;
  }
}

const card = (page) => page.locator('.triage > .card.current');
const box = (page, name) => card(page).locator(`[name=${name}]`).inputValue();
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

/** Goes down to a card of this recorder. */
async function goTo(hands, outing) {
  while (!(await card(hands.page).innerText()).includes(outing.recorder)) await hands.press('j');
}

/** Nothing is known of it: the number and the place are typed, what it proves is chosen by its digit. */
async function typed(hands, outing) {
  await goTo(hands, outing);
  const { page } = hands;
  assert.deepEqual([await box(page, 'case_no'), await box(page, 'place'), await box(page, 'proves')], ['', '', '']);
  const choices = await card(page).locator('[data-choice]').evaluateAll((all) => all.map((b) => b.value));
  assert.deepEqual([...choices].sort(), ['听证', '现场检查', '留置送达'].sort(), 'what is only written down shows nothing');
  await hands.press('n');
  await hands.type(outing.typed);
  await hands.press('Tab');
  await hands.type(outing.place);
  await hands.press('Escape', String(choices.indexOf(outing.proves) + 1));
  assert.equal(await box(page, 'proves'), outing.proves);
  return hands.decide('Enter');
}

/** The rest of the outing waits with what was said of the first. */
async function suggested(hands, outing) {
  const asked = performance.now();
  await until('the others of the outing are suggested for its case', async () => {
    const { clips } = await (await fetch(`${station.url}/api/v1/triage`)).json();
    const waiting = clips.filter((c) => c.suggestions[0]?.case_no === outing.case);
    return waiting.length === outing.clips - 1 && waiting.every((c) => c.places[0].value === outing.place && c.proofs[0].from === 'outing');
  });
  const after = performance.now() - asked;
  await hands.page.goto(`${station.url}/triage`);
  await card(hands.page).waitFor();
  return after;
}

test('thirteen clips are decided about by keys alone', { timeout: 240_000 }, async (t) => {
  const page = await open(chrome);
  await page.goto(`${station.url}/triage`);
  await card(page).waitFor();
  const hands = new Hands(page);
  const decided = [];
  const waited = [];

  for (const outing of [FIRST, SECOND]) {
    decided.push(await typed(hands, outing));
    await page.locator('[role=status]', { hasText: `1 个资料已关联 ${outing.case}` }).waitFor();
    waited.push(await suggested(hands, outing));
    for (let left = outing.clips - 1; left > 0; left -= 1) {
      assert.deepEqual(
        [await box(page, 'case_no'), await box(page, 'place'), await box(page, 'proves')],
        [outing.case, outing.place, outing.proves],
      );
      // One of them is of another matter: nothing but its digit is pressed beside Enter.
      if (outing === FIRST && left === 1) {
        const at = await card(page).locator('[data-choice]').evaluateAll((all) => all.findIndex((b) => b.value === '听证'));
        await hands.press(String(at + 1));
      }
      decided.push(await hands.decide('Enter'));
    }
  }
  await page.locator('.blank').waitFor();

  const keys = decided.map((d) => d.keys);
  assert.equal(decided.length, 13);
  assert.equal(median(keys), 1, `keys a clip: ${keys.join(' ')}`);
  assert.deepEqual(keys.filter((n) => n === 1).length, 10);
  assert.deepEqual(keys.filter((n) => n === 2).length, 1);
  assert.ok(Math.max(...keys) <= 40, `a clip of which nothing is known took ${Math.max(...keys)} keys`);
  const machine = decided.map((d) => Math.round(d.machine_ms));
  t.diagnostic(`${decided.length} clips, ${keys.reduce((a, b) => a + b)} keys, median ${median(keys)} a clip (${keys.join(' ')})`);
  t.diagnostic(`the machine's part: median ${median(machine)} ms a clip, at most ${Math.max(...machine)} ms; the others of an outing were suggested after ${waited.map(Math.round).join(' and ')} ms`);

  for (const outing of [FIRST, SECOND]) {
    const found = await station.evidock('find', '--case', outing.case);
    assert.equal(found.length, outing.clips);
    for (const record of found) {
      assert.deepEqual([record.missing, record.place], [[], outing.place]);
      assert.deepEqual([record.cases[0].origin, record.origins.place.origin, record.origins.proves.origin], ['person', 'person', 'person']);
    }
    const proves = found.map((r) => r.proves).filter((word) => word !== outing.proves);
    assert.deepEqual(proves, outing === FIRST ? ['听证'] : []);
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('one key takes a decision back with every word of it, another refuses, and a whole outing goes at once', { timeout: 120_000 }, async () => {
  await station.dock('dsj', 'bay-3', '--device', '36NCC000004', '--officer', '110205', '--clips', '4', '--apart', '120');
  const waiting = async () => (await (await fetch(`${station.url}/api/v1/triage`)).json()).clips;
  await until('four more wait', async () => {
    const probed = await station.evidock('find', '36NCC000004').catch(() => []);
    return (await waiting()).length === 4 && probed.filter((c) => c.media_health === 'whole' && c.state === 'proven').length === 4;
  });
  const page = await open(chrome, { bypassCSP: true });
  await page.goto(`${station.url}/triage`);
  await card(page).waitFor();
  const hands = new Hands(page);
  const id = (await card(page).getAttribute('id')).slice(2);

  // Nothing in the boxes is nothing to decide.
  await hands.decide('Enter');
  await page.getByRole('alert').getByText('至少一项').waitFor();
  // A place alone, and nothing of a case.
  await hands.press('p');
  await hands.type('南门外');
  await hands.decide('Enter');
  await page.locator('[role=status]', { hasText: '1 个资料已标注' }).waitFor();
  assert.equal((await station.evidock('show', id)).place, '南门外');
  await hands.decide('u');
  await page.locator('[role=status]', { hasText: '标注已撤销' }).waitFor();
  assert.equal((await station.evidock('show', id)).place, null);

  // The whole outing at once, with place and proof for each that lacks them.
  await hands.press('n');
  await hands.type('赵卫罚[2026]40');
  await hands.press('Tab');
  await hands.type('南门外');
  await hands.press('Escape', '1');
  await hands.decide('o');
  await page.locator('[role=status]', { hasText: `4 个资料已关联 ${OTHER}` }).waitFor();
  const found = await station.evidock('find', '--case', OTHER);
  assert.deepEqual(found.map((r) => [r.missing.length, r.place]), Array(4).fill([0, '南门外']));
  await hands.decide('u');
  await until('all four wait again', async () => {
    const all = await waiting();
    return all.length === 4 && all.every((c) => c.missing.join() === 'case_no,place,proves');
  });
  assert.deepEqual(await station.evidock('find', '--case', OTHER).catch(() => []), [], 'no clip is of the case any more');

  // What was taken back is suggested to nobody as sure; a clip that is said not to belong there stays out of the next outing.
  await page.goto(`${station.url}/triage`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `it scrolls sideways by ${wide} px`);
  assert.deepEqual(page.complaints.filter((c) => !c.includes('422')), []);
  await page.context().close();
});

test('without a script the same form takes the same words', { timeout: 120_000 }, async () => {
  const page = await open(chrome, { javaScriptEnabled: false });
  await page.goto(`${station.url}/triage`);
  const first = page.locator('.triage > .card').first();
  const id = (await first.getAttribute('id')).slice(2);
  assert.equal(await first.locator('[data-choice]').first().isVisible(), false, 'no key does anything here');
  // A number that is refused comes back with the one that was perhaps meant: one press takes it, with all that was typed.
  await first.locator('[name=case_no]').fill('赵卫罚2026-40');
  await first.locator('[name=place]').fill('南门外');
  await first.locator('[name=proves]').fill('听证');
  await first.locator('button[value=accept]').click();
  await page.locator('.notice.fail').waitFor();
  assert.match(await page.locator('form.near').innerText(), /您要找的是/);
  await page.locator('form.near').getByRole('button', { name: OTHER, exact: true }).click();
  await page.locator('[role=status]', { hasText: `1 个资料已关联 ${OTHER}` }).waitFor();
  const record = await station.evidock('show', id);
  assert.deepEqual([record.case_no, record.place, record.proves, record.missing], [OTHER, '南门外', '听证', []]);
  // The form of a clip and the list of cases offer the same.
  await page.goto(`${station.url}/clips/${id}`);
  const link = page.locator(`form[action="/clips/${id}/link"]`).last();
  await link.locator('[name=case_no]').fill('赵卫罚2026-77');
  await link.locator('[name=from]').fill('0:01');
  await link.getByRole('button').last().click();
  await page.locator('form.near').getByRole('button', { name: '赵卫罚〔2026〕77号', exact: true }).click();
  await page.locator('.notice.safe').waitFor();
  const linked = (await station.evidock('show', id)).cases.find((c) => c.case_no === '赵卫罚〔2026〕77号');
  assert.equal(linked.from_ms, 1000, 'what was typed beside it is not lost');
  await page.goto(`${station.url}/cases`);
  await page.locator('[name=query]').fill('赵卫罚〔26〕40号');
  await page.locator('form.filters button').click();
  await page.locator('.near .chip', { hasText: OTHER }).click();
  await page.getByRole('heading', { name: OTHER }).waitFor();
  await page.context().close();
});
