// Reports, supervision and legal review in a real browser, each by people with their own roles: figures open exactly their
// clips, a sample goes from the draw to the ranking, an opinion is given and printed; both languages, light and dark, wide
// and narrow; a case's documents are read beside a clip. None of it needs a script.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LOOKS, Station, axeSource, browser, open, printed } from './station.mjs';
import { words } from './words.mjs';

const CASE = '赵卫罚〔2026〕12号';
const PASSWORD = 'a sentence of mine';
let station;
let chrome;

/** A printed page is A4, of few pages, and tells these words. */
function onPaper(pdf, told) {
  const paper = printed(pdf);
  assert.ok(paper.pages >= 1 && paper.pages <= 10, `${paper.pages} pages`);
  assert.ok(Math.abs(paper.width - 595.3) < 2 && Math.abs(paper.height - 841.9) < 2, `${paper.width} x ${paper.height} pt is not A4`);
  for (const word of told) assert.ok(paper.tells(word), `${word} does not stand on it: ${paper.text}`);
}

before(async () => {
  [station, chrome] = await Promise.all([Station.start(), browser()]);
  const facts = `2026-01-01 00:00,2026-12-31 23:59,${CASE},东关街18号,现场检查,现场全貌`;
  await station.roster(`采集人甲,36NCC009910,${facts}`);
  await station.dock('dsj', 'bay-1');
  // Figures are followed to the clips they count: nothing about those may change meanwhile.
  const ready = (c) => c.missing.length === 0 && c.state === 'proven' && c.media_health;
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if ((await station.evidock('find', '--case', CASE).catch(() => [])).filter(ready).length >= 3) break;
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

/** Somebody with a role, in a browser of their own. */
async function somebody(name, args, options = {}) {
  const { password } = await station.evidock('user', 'add', name, ...args);
  const page = await open(chrome, { javaScriptEnabled: false, acceptDownloads: true, ...options });
  await signIn(page, name, password);
  await page.locator('[name=present]').fill(password);
  await page.locator('[name=new]').fill(PASSWORD);
  await page.locator('[name=again]').fill(PASSWORD);
  await page.locator('form[action="/account/password"] button').click();
  await page.locator('.notice.safe').waitFor();
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

let sample;

test('the supervisor reads figures that open their clips, and draws a sample; the unit puts a finding right', { timeout: 240_000 }, async () => {
  const head = await somebody('head', ['--role', 'department_head', '--officer', '采集人甲', '--unit', '执法一科']);
  const page = await somebody('super', ['--role', 'supervisor']);
  const clips = await station.evidock('find', '--case', CASE);
  const days = clips.map((c) => c.captured_start.slice(0, 10)).sort();
  const period = `${days[0]}..${days[days.length - 1]}`;
  await page.goto(`${station.url}/reports?period=${period}`);
  const told = await station.evidock('report', 'show', '--period', period);
  const sum = page.locator('.figs').first().locator('tr.sum td');
  assert.equal(await sum.first().innerText(), String(told.total.clips));
  // Every figure of the unit's line and of the sum opens a list of as many clips.
  const links = await page.locator('.figs').first().locator('tbody td a').evaluateAll((all) => all.map((a) => [a.textContent, a.href]));
  assert.ok(links.length >= 6, `${links.length} figures`);
  for (const [text, href] of links.filter(([t]) => /^[\d,]+$/.test(t))) {
    await page.goto(href);
    assert.equal(await page.locator('tbody tr').count(), Number(text.replace(',', '')), href);
  }
  await page.goto(`${station.url}/reports?period=${period}`);
  for (const [name, end] of [['XLSX', 'xlsx'], ['CSV', 'csv']]) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()]);
    assert.match(file.suggestedFilename(), new RegExp(`台账.*\\.${end}$`));
  }

  await page.getByRole('link', { name: '抽查', exact: true }).click();
  await page.locator('[name=period]').fill(period);
  await page.locator('[name=unit]').selectOption('执法一科');
  await page.locator('[name=count]').fill('2');
  await page.getByRole('button', { name: '抽取', exact: true }).click();
  await page.locator('.sampled').waitFor();
  sample = new URL(page.url()).pathname;
  // It stands below them: by then all of them are there.
  await page.getByText('随机种子').waitFor();
  assert.equal(await page.locator('.sampled > li').count(), 2);
  assert.equal((await station.evidock('sample', 'verify', sample.split('/')[2])).same, true);
  const judge = async (n, no) => {
    const form = page.locator(`#clip-${n} form.judge`);
    for (const fieldset of await form.locator('fieldset').all()) await fieldset.getByLabel('是', { exact: true }).check();
    if (no) {
      await form.locator('fieldset').first().getByLabel('否').check();
      await form.locator('[name=words]').fill('未亮证 <b>x</b>');
    }
    await form.locator('button').click();
    await page.locator(`#clip-${n} .steps`).waitFor();
    // The form of the next one, too, with all its questions.
    await page.waitForLoadState();
  };
  await judge(1, true);
  await judge(2, false);
  await page.locator('#clip-1 .pill', { hasText: '待整改' }).waitFor();

  await head.goto(`${station.url}/sampling`);
  assert.equal(await head.getByRole('button', { name: '抽取' }).count(), 0, 'a head of department draws nothing');
  await head.locator('.people a').first().click();
  await head.locator('#clip-1').getByText('未亮证 <b>x</b>').waitFor();
  await head.locator('#clip-1 [name=words]').fill('已组织培训');
  await head.locator('#clip-1 form button').click();
  await head.locator('#clip-1 .pill', { hasText: '待复核' }).waitFor();

  await page.goto(station.url + sample);
  await page.locator('#clip-1').getByRole('button', { name: '整改到位，销号' }).click();
  await page.locator('#clip-1 .pill', { hasText: '已销号' }).waitFor();
  await page.goto(`${station.url}/sampling`);
  const rank = await page.locator('.figs tbody tr').first().innerText();
  assert.match(rank, /^1\s+执法一科\s+50%/);
  assert.deepEqual(page.complaints, []);
  const other = await somebody('two', ['--role', 'department_head', '--unit', '执法二科']);
  await other.goto(station.url + sample);
  assert.equal(await other.locator('.sampled').count(), 0, 'not their unit');
  for (const p of [page, head, other]) await p.context().close();
});

test('a reviewer sees the case that stands sent, notes at a second, and prints the opinion', { timeout: 180_000 }, async () => {
  const page = await somebody('fazhi', ['--role', 'legal_reviewer', '--label', '周审核'], { javaScriptEnabled: true });
  await page.goto(`${station.url}/review/${encodeURIComponent(CASE)}`);
  assert.equal(await page.locator('.beside').count(), 0, 'it does not stand sent yet');
  await page.goto(`${station.url}/review`);
  await page.getByText('没有送审的案件').waitFor();
  await station.evidock('review', CASE, '--to', 'fazhi');
  await page.goto(`${station.url}/review`);
  await page.getByRole('link', { name: CASE }).click();
  await page.locator('.choose a').first().click();
  const video = page.locator('#player video');
  await video.waitFor();
  await video.evaluate((v) => { v.muted = true; return v.play(); });
  await page.waitForFunction(() => document.querySelector('#player video').currentTime > 0.2);
  await page.getByRole('button', { name: '取播放位置' }).click();
  assert.match(await page.locator('[name=at]').inputValue(), /^0:0\d$/);
  await page.locator('form[action$="/note"] [name=words]').fill('未告知权利 <i>y</i>');
  await page.getByRole('button', { name: '添加批注' }).click();
  await page.locator('.people').getByText('未告知权利 <i>y</i>').waitFor();
  await page.getByLabel('补充完善后同意').check();
  await page.locator('form[action$="/opinion"] [name=words]').fill('补充送达记录');
  await page.getByRole('button', { name: '出具审查意见' }).click();
  await page.getByText('补充送达记录').first().waitFor();
  await page.getByRole('link', { name: '打印审查意见' }).click();
  await page.getByRole('heading', { name: '音像记录审查意见' }).waitFor();
  for (const told of ['补充完善后同意', '补充送达记录', '未告知权利', '周审核', CASE]) await page.locator('.paper').getByText(told).first().waitFor();
  const pdf = await page.pdf({ format: 'A4' });
  if (process.env.SCREENSHOTS) await writeFile(path.join(process.env.SCREENSHOTS, 'opinion.pdf'), pdf);
  onPaper(pdf, ['音像记录审查意见', '补充完善后同意', '补充送达记录', '未告知权利', '周审核', CASE, words('zh-CN').oversight.not_the_seal]);
  await page.goto(`${station.url}/review/${encodeURIComponent(CASE)}/sheet`);
  await page.locator('[name=points-0]').fill('7');
  await page.getByRole('button', { name: '保存评分' }).click();
  await page.getByText('请写明扣分原因').waitFor();
  await page.locator('[name=remark-0]').fill('未见资格');
  await page.getByRole('button', { name: '保存评分' }).click();
  await page.getByText('97 / 100').waitFor();
  await station.evidock('review', CASE, '--end');
  await page.goto(`${station.url}/review/${encodeURIComponent(CASE)}/opinion`);
  assert.equal(await page.locator('.paper').count(), 0, 'called back');
  await page.context().close();
});

/** Whether the browser shows what it was given in a frame, and not a page that says why it does not. */
async function framed(page) {
  const frame = await (await page.locator('iframe.written').elementHandle()).contentFrame();
  await frame.waitForURL(/\/media\?frame=1$/, { waitUntil: 'commit' });
  return frame.url().split('/')[4];
}

let beside;

test('the written record is read beside a clip by whom the case was sent, and by nobody else', { timeout: 180_000 }, async () => {
  // A record as a word processor prints it, a photograph of a scene, and a file of a desk.
  const desk = await open(chrome);
  await desk.setContent('<h1>现场检查笔录</h1><p>检查人员出示执法证件。</p>');
  const files = {
    '现场检查笔录.pdf': await desk.pdf({ format: 'A4' }),
    '现场照片.png': await desk.screenshot(),
    '立案审批表.txt': Buffer.from('同意立案'),
  };
  await desk.context().close();
  const ids = [];
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(station.dir, name);
    await writeFile(file, bytes);
    ids.push((await station.evidock('case', 'add-document', CASE, file)).clip);
  }
  const [paper, picture] = ids;
  const media = `/clips/${paper}/media?frame=1`;
  const review = `/review/${encodeURIComponent(CASE)}`;
  await station.evidock('review', CASE, '--to', 'fazhi');
  const other = await somebody('fazhi2', ['--role', 'legal_reviewer']);
  for (const [at, status] of [[review, 404], [`${review}?doc=${paper}`, 404], [media, 403], [`/clips/${picture}/media`, 403], [`/clips/${paper}`, 403]]) {
    assert.equal((await other.goto(station.url + at)).status(), status, at);
  }
  await other.context().close();

  const page = await open(chrome);
  await signIn(page, 'fazhi', PASSWORD);
  await page.locator('.me').waitFor();
  await page.goto(station.url + review);
  const docs = page.locator('[data-written]');
  await docs.getByText('选择一份文书').waitFor();
  await page.locator('[aria-labelledby=h-clips] .choose a').first().click();
  const video = page.locator('#player video');
  await video.waitFor();
  await docs.getByRole('link', { name: '现场检查笔录' }).click();
  assert.equal(await framed(page), paper);
  const place = async (selector) => page.locator(selector).boundingBox();
  let [left, right] = [await place('#player'), await place('iframe.written')];
  assert.ok(left.x + left.width <= right.x && right.y < left.y + left.height, `side by side: ${JSON.stringify([left, right])}`);
  assert.ok(right.width > 400 && right.height > 400, JSON.stringify(right));
  // What is given out stands in frames of this station alone.
  const [status, head] = await page.evaluate(async (url) => {
    const answer = await fetch(url);
    return [answer.status, Object.fromEntries(answer.headers)];
  }, media);
  assert.equal(status, 200);
  assert.match(head['content-security-policy'], /frame-ancestors 'self'/);
  assert.match(head['content-disposition'], /^inline/);

  // A note is begun, another document is opened, and the note is still there with its place.
  await video.evaluate((v) => { v.currentTime = 1; });
  await page.waitForFunction(() => document.querySelector('#player video').currentTime >= 1);
  await page.getByRole('button', { name: '取播放位置' }).click();
  assert.equal(await page.locator('[name=at]').inputValue(), '0:01');
  await page.locator('form[action$="/note"] [name=words]').fill('与笔录不一致');
  await docs.getByRole('link', { name: '现场照片' }).click();
  await page.waitForFunction(() => document.querySelector('[data-written] img')?.naturalWidth > 0);
  assert.ok(await video.evaluate((v) => v.currentTime) >= 1, 'the clip is where it was');
  await page.getByRole('button', { name: '添加批注' }).click();
  await page.locator('.people').getByText('与笔录不一致').waitFor();
  await docs.locator('img').waitFor();
  await docs.getByRole('link', { name: '立案审批表' }).click();
  await docs.getByText('请下载后查看').waitFor();
  assert.equal(await docs.locator('iframe, img').count(), 0);
  await docs.getByRole('link', { name: '现场检查笔录' }).click();
  assert.equal(await framed(page), paper);
  beside = page.url().slice(station.url.length);

  // One above the other where there is no room, after a note that leads back to its second.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.locator('.people').getByRole('link', { name: /^0:01/ }).last().click();
  await page.waitForURL(/[?&]t=1(&|$)/);
  assert.equal(await framed(page), paper);
  [left, right] = [await place('#player'), await place('iframe.written')];
  assert.ok(right.y >= left.y + left.height && Math.abs(left.x - right.x) < 2, `one above the other: ${JSON.stringify([left, right])}`);

  // The opinion was given before any of it was read; a new one names what was.
  const printed = async () => {
    await page.goto(`${station.url}${review}/opinion`);
    return page.locator('.paper').innerText();
  };
  assert.match(await printed(), /没有查看过文字记录[^]*未查看: [^]*现场检查笔录/);
  await page.goto(station.url + review);
  await page.getByLabel('同意：音像记录完整').check();
  await page.getByRole('button', { name: '出具审查意见' }).click();
  await page.locator('.pill', { hasText: '同意：音像记录完整' }).waitFor();
  assert.match(await printed(), /已查看的文字记录[^]*现场检查笔录[^]*查看于[^]*现场照片[^]*未查看: 立案审批表/);
  assert.deepEqual(page.complaints, []);
  await station.evidock('review', CASE, '--end');
  for (const [at, gone] of [[review, 404], [media, 403]]) {
    assert.equal(await page.evaluate(async (url) => (await fetch(url)).status, at), gone, at);
  }
  await page.context().close();
});

test('every page of it, in both languages, light and dark, wide and narrow, and on paper', { timeout: 300_000 }, async () => {
  await station.evidock('review', CASE);
  const who = [['super', ['/reports?period=2026', '/sampling', sample]], ['fazhi', ['/review', `/review/${encodeURIComponent(CASE)}`, beside, `/review/${encodeURIComponent(CASE)}/opinion`, `/review/${encodeURIComponent(CASE)}/sheet`]]];
  for (const [locale, colorScheme, width] of LOOKS) {
    for (const [name, pages] of who) {
      const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
      await signIn(page, name, PASSWORD);
      await page.locator('.me').waitFor();
      for (const at of pages) {
        await page.goto(station.url + at);
        await clean(page, `${at} ${locale} ${colorScheme} ${width}`);
        const file = `${decodeURIComponent(at).replace(/\W+/g, '-')}-${locale}-${colorScheme}-${width}`;
        if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/oversight${file}.png`, fullPage: true });
      }
      if (width === 1440 && name === 'super') {
        await page.goto(`${station.url}/reports?period=2026`);
        const pdf = await page.pdf({ format: 'A4' });
        if (process.env.SCREENSHOTS) await writeFile(path.join(process.env.SCREENSHOTS, `report-${locale}.pdf`), pdf);
        const w = words(locale).oversight;
        onPaper(pdf, [w.reports_title, w.by_unit, w.by_kind, w.gaps_title, '2026']);
      }
      await page.context().close();
    }
  }
});
