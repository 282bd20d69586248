// Recorders in the network in a real browser: one that is found, one that waits for a yes, is pulled while the page shows
// how far, is gone in the middle and goes on, and may be taken; what its clips say of it.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { LOOKS, Station, axeSource, browser, open, root } from './station.mjs';

const SCRIPT = path.join(root, 'tests/support/recorder.py');
const SECONDS = 16;
let dir;
let recorder;
let beacon;
let station;
let chrome;

/** Footage behind GStreamer's own RTSP server; gives the process and its port. */
async function startRecorder(port = 0) {
  const child = spawn('/usr/bin/python3', [SCRIPT, '--port', String(port), path.join(dir, 'footage.mp4')], { stdio: ['ignore', 'pipe', 'ignore'] });
  const bound = await new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const ready = /^ready (\d+)\n/.exec(said);
      if (ready) resolve(Number(ready[1]));
    });
    child.once('exit', (code) => reject(new Error(`the recorder ended with ${code}`)));
  });
  return { child, port: bound };
}

async function endRecorder() {
  recorder.child.removeAllListeners('exit');
  const ended = new Promise((resolve) => recorder.child.once('exit', resolve));
  recorder.child.kill('SIGKILL');
  await ended;
}

/** Answers WS-Discovery on loopback as a recorder that nobody has configured. */
async function startBeacon() {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (probe, from) => {
    const id = /MessageID>([^<]+)</.exec(probe.toString())?.[1];
    if (!id) return;
    socket.send(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:RelatesTo>${id}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:7</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/name/ACME%20BWC onvif://www.onvif.org/hardware/7</d:Scopes><d:XAddrs>http://127.0.0.1:8099/onvif/device_service</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>`, from.port, from.address);
  });
  await new Promise((resolve) => socket.bind(3702, resolve));
  socket.addMembership('239.255.255.250', '127.0.0.1');
  return socket;
}

before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'evidock-network-'));
  await promisify(execFile)('/usr/bin/python3', [SCRIPT, '--make', String(SECONDS), path.join(dir, 'footage.mp4')]);
  [recorder, beacon] = await Promise.all([startRecorder(), startBeacon()]);
  const config = [
    '[[network_recorder]]', 'name = "wifi-1"', 'bay = "无线 1"', `url = "rtsp://127.0.0.1:${recorder.port}/plain"`, 'every_s = 1', 'silence_s = 2',
    '[discovery]', 'networks = ["127.0.0.0/8"]',
  ];
  [station, chrome] = await Promise.all([Station.start(config), browser()]);
});

after(async () => {
  await chrome?.close();
  await station?.stop();
  beacon?.close();
  if (recorder) await endRecorder();
  await rm(dir, { recursive: true, force: true });
});

test('a recorder is found, let in, pulled, lost, pulled on, and may go', { timeout: 240_000 }, async () => {
  const page = await open(chrome);
  await page.goto(station.url);
  await page.evaluate(() => { window.neverReloaded = true; });
  // Who is there and nobody knows, and who is configured and nobody has let in.
  const found = page.locator('.bay', { hasText: '127.0.0.1:8099' });
  await found.getByText('ACME BWC').waitFor({ timeout: 60_000 });
  const bay = page.locator('.bay', { hasText: '无线 1' });
  await bay.getByText('未注册设备').waitFor({ timeout: 60_000 });
  assert.equal((await (await fetch(`${station.url}/api/v1/clips?limit=1`)).json()).items.length, 0, 'nothing is taken before a yes');
  await station.evidock('recorders', 'approve', `net@127.0.0.1:${recorder.port}`);

  // How far it is, by the time of the footage: nobody lists bytes.
  await bay.getByText(/录像 \d+.秒 \/ 1\d.秒/).waitFor({ timeout: 60_000 });
  await bay.getByText('请勿拔出').waitFor();
  const percent = await page.waitForFunction(() => {
    const now = Number(document.querySelector('.bay .ring text')?.textContent.replace('%', ''));
    return now >= 20 && now;
  });
  assert.ok(await percent.jsonValue() < 100);

  // It goes in the middle, and comes back.
  await endRecorder();
  await bay.getByText('请勿拔出').waitFor({ state: 'detached', timeout: 60_000 });
  assert.equal(await bay.getByText('可以取走').count(), 0, 'gone is not taken');
  recorder = await startRecorder(recorder.port);
  await bay.getByText('可以取走').waitFor({ timeout: 120_000 });
  await bay.getByText(/已入库|入库/).first().waitFor();
  assert.equal(await page.evaluate(() => window.neverReloaded), true);

  // The board shows the same to whoever stands there.
  const board = await open(chrome);
  await board.goto(`${station.url}/kiosk`);
  await board.locator('.board li', { hasText: '无线 1' }).getByText('可以取走').waitFor();
  await board.context().close();

  // What the clips say: the same recording in two parts, all of it here, and what both have.
  const { items } = await (await fetch(`${station.url}/api/v1/clips?limit=10`)).json();
  assert.equal(items.length, 2);
  const read = () => Promise.all(items.map(async (i) => (await fetch(`${station.url}/api/v1/clips/${i.record_id}`)).json()));
  let records = await read();
  // What looking at them tells comes a little later.
  for (const end = Date.now() + 90_000; Date.now() < end && !records.every((r) => r.media_health);) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    records = await read();
  }
  const second = records.find((i) => i.recording?.segment_no === 2) ?? records[0];
  await page.goto(`${station.url}/clips/${second.record_id}`);
  await page.getByText('无线 1，第 2 段').waitFor();
  await page.getByText('已全部取回').waitFor();
  // Where the recorder had to begin with an earlier picture, what both have is told.
  const { gaps } = await (await fetch(`${station.url}/api/v1/clips/${second.record_id}`)).json();
  assert.equal(await page.getByText(/与上一段重复/).count() > 0, (gaps ?? []).some((g) => g.kind === 'again'));
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('nothing that axe-core finds where recorders in the network are shown', { timeout: 60_000 }, async () => {
  for (const [locale, colorScheme, width] of LOOKS) {
    const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 844 }, bypassCSP: true });
    await page.goto(station.url);
    await page.locator('.bay', { hasText: '无线 1' }).waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `the page scrolls sideways by ${wide} px`);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
    await page.context().close();
  }
});
