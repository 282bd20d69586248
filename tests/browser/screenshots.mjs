// Pictures of the real pages, to be looked at: `node tests/browser/screenshots.mjs DIR [SCENE...]`. Two recorders are
// docked, one with a roster and one without; a third is still being copied when the station page is taken. With
// scenes named (as `held`), the station page and the bay board over these fixtures instead (`cargo build --example look`).

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Scene, Station, browser, open } from './station.mjs';

const [dir = 'target/screenshots', ...scenes] = process.argv.slice(2);
const out = path.resolve(dir);
await mkdir(out, { recursive: true });

/** Each page in both languages, light and dark, wide and narrow. */
async function take(chrome, url, pages) {
  for (const [name, at] of Object.entries(pages)) {
    for (const locale of ['zh-CN', 'en']) {
      for (const colorScheme of ['light', 'dark']) {
        for (const width of [1440, 390]) {
          const page = await open(chrome, { locale, colorScheme, viewport: { width, height: 900 } });
          await page.goto(url + at);
          await page.waitForTimeout(300);
          await page.screenshot({ path: path.join(out, `${name}-${locale}-${colorScheme}-${width}.png`), fullPage: width === 390 });
          if (page.complaints.length) console.log(name, locale, colorScheme, width, page.complaints);
          await page.context().close();
        }
      }
    }
  }
}

if (scenes.length > 0) {
  const chrome = await browser();
  for (const name of scenes) {
    const scene = await Scene.start(name);
    await take(chrome, scene.url, { [`${name}-station`]: '/', [`${name}-kiosk`]: '/kiosk' });
    scene.stop();
  }
  await chrome.close();
  console.log(out);
  process.exit(0);
}

const [station, chrome] = await Promise.all([Station.start(), browser()]);
try {
  await station.roster(
    '采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,赵卫罚〔2026〕12号,东关街18号,现场检查,现场全貌',
    '采集人乙,36NCC009874,2026-01-01 00:00,2026-12-31 23:59,赵卫罚〔2026〕15号,西大街6号,调查取证,废物暂存间未上锁');
  await station.dock('dsj', 'bay-1');
  await station.dock('dsj', 'bay-2', '--device', '36NCC009874', '--clips', '5');
  await station.dock('flat', 'bay-3');
  const done = async () => {
    const { bays } = await (await fetch(`${station.url}/api/v1/status`)).json();
    return bays.length === 3 && bays.every((b) => b.safe_to_remove);
  };
  while (!await done()) await new Promise((resolve) => setTimeout(resolve, 200));
  const { items } = await (await fetch(`${station.url}/api/v1/clips?case=${encodeURIComponent('赵卫罚〔2026〕12号')}`)).json();
  const pages = {
    station: '/', clips: '/clips', clip: `/clips/${items[0].record_id}`, cases: '/cases',
    case: `/cases/${encodeURIComponent('赵卫罚〔2026〕12号')}`, kiosk: '/kiosk', triage: '/triage',
    export: `/cases/${encodeURIComponent('赵卫罚〔2026〕12号')}/export`, exports: '/exports', rooms: '/rooms',
  };
  await take(chrome, station.url, pages);
  console.log(out);
} finally {
  await chrome.close();
  await station.stop();
}
