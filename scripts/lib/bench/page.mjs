// What a person waits for, measured in Debian's Chromium; told as one line of JSON.
//
//   page.mjs paint URL TIMES   first paints of a page that was never seen, and the bytes of one load on the wire
//   page.mjs seek URL TIMES    places all over a clip: from asking to its picture
//   page.mjs list URL PAGES    going on from page to page: the slowest, and whether it jumped

import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.env.EVIDOCK_TOOLS, 'node/package.json'));
const { chromium } = require('playwright-core');
const [what, url, times] = process.argv.slice(2);
const chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--autoplay-policy=no-user-gesture-required'] });

/** A window that has seen nothing yet. */
const fresh = async () => (await chrome.newContext({ locale: 'zh-CN', viewport: { width: 1440, height: 900 } })).newPage();

const measures = {
  async paint() {
    const paints = [];
    let wire = 0;
    for (let n = 0; n < Number(times); n++) {
      const page = await fresh();
      const client = await page.context().newCDPSession(page);
      await client.send('Network.enable');
      let bytes = 0;
      client.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
      await page.goto(url, { waitUntil: 'load' });
      paints.push(await page.evaluate(() => new Promise((resolve) => {
        const told = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
        const look = () => { const at = told(); if (at) resolve(at); else requestAnimationFrame(look); };
        look();
      })));
      wire = Math.max(wire, bytes);
      await page.context().close();
    }
    return { paints_ms: paints, wire_bytes: wire };
  },

  async seek() {
    const page = await fresh();
    await page.goto(url);
    const seeks = await page.evaluate(async (count) => {
      const video = document.querySelector('video');
      video.muted = true;
      video.preload = 'auto';
      video.load();
      const once = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
      if (video.readyState < 2) await once('loadeddata');
      const all = [];
      for (let n = 0; n < count; n++) {
        // All over the clip, never where it just was.
        const to = video.duration * ((n * 0.618034 + 0.37) % 1);
        const begun = performance.now();
        video.currentTime = to;
        await once('seeked');
        all.push(performance.now() - begun);
      }
      return all;
    }, Number(times));
    return { seeks_ms: seeks };
  },

  async list() {
    const page = await fresh();
    await page.goto(url);
    let slowest = 0;
    const seen = new Set();
    for (let n = 0; n < Number(times); n++) {
      const rows = await page.locator('tbody tr a[href^="/clips/"]').evaluateAll((links) => links.map((a) => a.getAttribute('href')));
      for (const row of rows) {
        if (seen.has(row)) throw new Error(`${row} comes twice`);
        seen.add(row);
      }
      const next = await page.locator('.pager a').last().getAttribute('href');
      const begun = performance.now();
      await page.goto(new URL(next, url).href, { waitUntil: 'load' });
      slowest = Math.max(slowest, performance.now() - begun);
      if (await page.evaluate(() => scrollY) !== 0) throw new Error('the page jumped');
    }
    return { slowest_ms: slowest, rows: seen.size };
  },
};
console.log(JSON.stringify(await measures[what]()));
await chrome.close();
