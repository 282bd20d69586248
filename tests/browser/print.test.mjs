// What is printed, read by a program that is no browser: lists carry the five facts and the heads of all their columns, and
// neither the ways through the site nor its forms stand on paper.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scene, browser, open, printed } from './station.mjs';

const CASE = encodeURIComponent('赵卫罚〔2026〕112号');
const PAGES = {
  'the list of clips': '/clips',
  'a case': `/cases/${CASE}`,
  'its coverage': `/cases/${CASE}/coverage`,
  'its list of transfer': `/cases/${CASE}/filing/list?kind=transfer`,
  'its list of contents': `/cases/${CASE}/filing/list?kind=contents`,
  'who looked at it': `/cases/${CASE}/looks`,
  'its review': `/review/${CASE}`,
  'its review sheet': `/review/${CASE}/sheet`,
  'a list of disposal': '/keeping/disposals/1',
  'a sample': '/sampling/1',
};
let scene;
let chrome;

before(async () => { [scene, chrome] = await Promise.all([Scene.start('busy'), browser()]); });
after(async () => {
  await chrome?.close();
  scene?.stop();
});

async function paper(page) {
  return printed(await page.pdf({ format: 'A4', preferCSSPageSize: true, printBackground: true }));
}

test('a printed list of clips has all five facts', { timeout: 60_000 }, async () => {
  for (const [locale, facts] of [
    ['zh-CN', ['案件', '采集时间', '采集人', '采集地点', '证明对象']],
    ['en', null],
  ]) {
    const page = await open(chrome, { locale });
    await page.goto(`${scene.url}/clips`);
    const heads = await page.locator('.rows thead th').allInnerTexts();
    const proves = (await page.locator('.rows td.c-proves').allInnerTexts()).filter((words) => words.trim());
    assert.ok(proves.length > 2, 'something is proven');
    const read = await paper(page);
    for (const head of heads) assert.ok(read.tells(head), `${head} does not stand on paper (${locale})`);
    for (const words of proves) assert.ok(read.tells(words), `${words} does not stand on paper (${locale})`);
    if (facts) for (const fact of facts) assert.ok(read.tells(fact) || heads.some((h) => h.includes(fact)), fact);
    await page.context().close();
  }
});

for (const [what, at] of Object.entries(PAGES)) {
  test(`${what} prints with its heads and without the site around it`, { timeout: 60_000 }, async () => {
    const page = await open(chrome);
    const answer = await page.goto(scene.url + at);
    assert.equal(answer.status(), 200, at);
    const title = await page.locator('h1').first().innerText();
    const heads = (await page.locator('main thead th').allInnerTexts()).map((h) => h.trim()).filter(Boolean);
    const read = await paper(page);
    assert.ok(Math.abs(read.width - 595.3) < 2 && Math.abs(read.height - 841.9) < 2, `${read.width} x ${read.height} pt is not A4`);
    assert.ok(read.tells(title), `${title} does not stand on it`);
    for (const head of heads) assert.ok(read.tells(head), `${head} does not stand on it: ${read.text.slice(0, 2_000)}`);
    await page.emulateMedia({ media: 'print' });
    const left = await page.evaluate(() => ['.top nav', '.crumb', 'form', '.btn', '.skip', '.lang', '.pager', '#lost', '#news']
      .filter((which) => [...document.querySelectorAll(which)].some((e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden')));
    assert.deepEqual(left, [], 'what is for the screen alone');
    const hidden = await page.evaluate(() => [...document.querySelectorAll('main table thead th, main table tbody td, main table tbody th')]
      .filter((cell) => cell.getClientRects().length === 0 && !cell.closest('form, details')).map((cell) => cell.textContent.trim()));
    assert.deepEqual(hidden, [], 'no column is left out');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px wider than the paper`);
    await page.context().close();
  });
}
