// The other ways in, by real browsers: an identity provider (oidc-provider) at another site, and a page in the network under its
// own certificate; and the code to scan, read back from what the browser drew.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { after, before, test } from 'node:test';
import path from 'node:path';
import { writeFile } from 'node:fs/promises';
import { Station, axeSource, browser, open, root } from './station.mjs';

const PASSWORD = 'a sentence of mine';
const SECRET = 'shared by both';
const tools = path.join(root, '.tools');
let chrome;

before(async () => {
  chrome = await browser();
});

after(async () => {
  await chrome?.close();
});

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function until(what, isSo) {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`not within 90 s: ${what}`);
}

/** The provider as a process of its own, which knows this station. */
async function provider(port, station) {
  const script = path.join(root, 'tests/support/servers/identity.mjs');
  const words = [script, String(port), `${station.url}/signin/oidc/return`, SECRET];
  const child = spawn(process.execPath, words, { cwd: path.join(tools, 'oidc'), stdio: 'inherit' });
  const answers = () => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true) || socket.destroy()).on('error', () => resolve(false));
  });
  await until('the provider answers', answers);
  return child;
}

async function clean(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what} scrolls sideways by ${wide} px`);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
}

async function signIn(page, url, name, password) {
  await page.goto(`${url}/signin`);
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

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
}

test('somebody signs in at the provider, is told what to hand on, is bound, and is in', { timeout: 240_000 }, async () => {
  const port = await freePort();
  // localhost and 127.0.0.1 are two sites to a browser: cookies that are strict stay behind on the way back.
  const station = await Station.start(['[access.oidc]', `issuer = "http://localhost:${port}"`, 'client_id = "station 1"', 'client_secret_file = "oidc.secret"']);
  await writeFile(path.join(station.dir, 'oidc.secret'), SECRET);
  const first = (await station.evidock('user', 'first', 'boss')).password;
  await station.evidock('user', 'add', 'zhang', '--role', 'archivist');
  const child = await provider(port, station);
  try {
    const page = await open(chrome, { javaScriptEnabled: false });
    const through = async (who) => {
      await page.goto(`${station.url}/clips`);
      await page.getByRole('link', { name: '用单位统一认证登录' }).click();
      await page.waitForURL(/localhost/);
      if (who) await page.locator('[name=who]').fill(who);
      await page.getByRole('button', { name: who ? 'Go on' : 'No' }).click();
    };
    await through('zhang-at-the-agency');
    await page.getByText('还没有绑定本站账号').waitFor();
    assert.match(await page.locator('#refusal').innerText(), /zhang-at-the-agency/);
    await picture(page, 'door-unbound');

    // The administrator writes it down, on the page.
    const boss = await open(chrome);
    await signIn(boss, station.url, 'boss', first);
    await choosePassword(boss, first);
    await boss.goto(`${station.url}/accounts`);
    const zhang = boss.locator('#a-zhang');
    await zhang.locator('summary').click();
    await zhang.locator('[name=oidc_subject]').fill('zhang-at-the-agency');
    await zhang.getByRole('button', { name: '保存' }).click();
    await boss.locator('.notice.safe').waitFor();
    assert.equal((await station.evidock('user', 'list')).find((a) => a.name === 'zhang').oidc_subject, 'zhang-at-the-agency');

    await page.context().clearCookies();
    await through('zhang-at-the-agency');
    // The page in between goes on by itself, with the cookie that it set, and without a script.
    await page.waitForURL(`${station.url}/clips`);
    const kept = (await page.context().cookies(station.url)).find((c) => c.name === 'evidock-session');
    assert.deepEqual([kept.sameSite, kept.secure, kept.httpOnly], ['Strict', true, true]);
    await page.goto(`${station.url}/account`);
    await page.getByText('zhang-at-the-agency').waitFor();
    await page.getByRole('button', { name: '退出' }).click();

    // The provider says no, then is not there at all: the password is the way in.
    await page.context().clearCookies();
    await through(null);
    await page.getByText('统一认证没有放行').waitFor();
    assert.match(await page.locator('#refusal').innerText(), /access_denied/);
    await page.getByLabel('口令').waitFor();

    for (const [locale, colorScheme, width] of [['zh-CN', 'light', 1440], ['en', 'dark', 390]]) {
      const look = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
      await look.goto(`${station.url}/signin`);
      await clean(look, `the door with a provider ${locale} ${colorScheme}`);
      await picture(look, `door-provider-${locale}-${colorScheme}-${width}`);
      await look.goto(`${station.url}/signin/oidc/return?state=none`);
      await clean(look, `the door after a refusal ${locale} ${colorScheme}`);
      await signIn(look, station.url, 'boss', PASSWORD);
      await look.locator('.me').waitFor();
      await look.goto(`${station.url}/accounts`);
      await look.locator('#a-zhang summary').click();
      await clean(look, `accounts with identities ${locale} ${colorScheme}`);
      await look.context().close();
    }
    assert.deepEqual(boss.complaints, []);
    await Promise.all([page.context().close(), boss.context().close()]);
  } finally {
    child.kill('SIGTERM');
    await station.stop();
  }
});

test('the code to scan is the key that stands below it', { timeout: 90_000 }, async () => {
  const station = await Station.start();
  try {
    const first = (await station.evidock('user', 'first', 'boss')).password;
    const page = await open(chrome, { colorScheme: 'dark' });
    await signIn(page, station.url, 'boss', first);
    await choosePassword(page, first);
    await page.goto(`${station.url}/account?codes=new`);
    const drawn = await page.locator('svg.qr').screenshot();
    await picture(page, 'codes-scan');
    const [key, address] = [await page.locator('.code.big').innerText(), await page.locator('a[href^="otpauth:"]').getAttribute('href')];
    assert.deepEqual(page.complaints, [], 'the policy of the page allows it');
    // Pixels come from the browser, too; the reader is somebody else's.
    const reader = await chrome.newPage();
    await reader.addScriptTag({ content: await readFile(path.join(tools, 'scan/node_modules/jsqr/dist/jsQR.js'), 'utf8') });
    const read = await reader.evaluate(async (png) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
      const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
      canvas.drawImage(image, 0, 0);
      return window.jsQR(canvas.getImageData(0, 0, image.width, image.height).data, image.width, image.height)?.data;
    }, drawn.toString('base64'));
    assert.equal(read, address);
    assert.equal(new URL(read).searchParams.get('secret'), key.replaceAll(' ', ''));
    await Promise.all([reader.close(), page.context().close()]);
  } finally {
    await station.stop();
  }
});

test('a page in the network has a certificate of its own, the one that doctor shows', { timeout: 90_000 }, async () => {
  const station = await Station.start([], '0.0.0.0:0');
  try {
    const first = (await station.evidock('user', 'first', 'boss')).password;
    assert.match(station.url, /^https:/);
    const context = await chrome.newContext({ ignoreHTTPSErrors: true, locale: 'zh-CN' });
    const page = await context.newPage();
    await signIn(page, station.url, 'boss', first);
    await choosePassword(page, first);
    const cookies = (await context.cookies(station.url)).filter((c) => c.name.includes('evidock'));
    assert.deepEqual(cookies.map((c) => [c.name, c.secure, c.httpOnly, c.sameSite, c.path]), [['__Host-evidock', true, true, 'Strict', '/']]);
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    // It tells of what it saw loading.
    await page.goto(`${station.url}/account`);
    const { tableNames } = await session.send('Network.getCertificate', { origin: station.url });
    const seen = createHash('sha256').update(Buffer.from(tableNames[0], 'base64')).digest('hex').toUpperCase().match(/../g).join(':');
    const doctor = await station.evidock('doctor').catch((e) => JSON.parse(e.stdout));
    const told = doctor.findings.find((f) => f.part === 'certificate').words;
    assert.ok(told.endsWith(`SHA-256 ${seen}`), `${told}; the browser got ${seen}`);
    const answer = await page.goto(`${station.url}/accounts`);
    assert.match((await answer.allHeaders())['strict-transport-security'], /max-age/);
    await context.close();
  } finally {
    await station.stop();
  }
});
