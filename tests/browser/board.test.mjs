// The board over the bays, on the screens that hang there: with few bays and with all that a station can have, in both
// languages, every verdict stands whole, and none is smaller than can be read from where people stand.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scene, browser, open } from './station.mjs';

let chrome;

before(async () => { chrome = await browser(); });
after(async () => { await chrome?.close(); });

/** Type of a verdict on the smallest screen, pixels: what fewer bays leave room for is used. */
const LEAST = { 12: 22, 30: 17, 36: 16, 48: 16, 64: 15 };

for (const bays of [12, 30, 36, 48, 64]) {
  test(`every verdict of ${bays} bays stands whole`, { timeout: 90_000 }, async () => {
    const scene = await Scene.start(`bays-${bays}`);
    try {
      for (const [width, height] of [[1920, 1080], [1366, 768]]) {
        for (const locale of ['zh-CN', 'en']) {
          const page = await open(chrome, { locale, viewport: { width, height } });
          await page.goto(`${scene.url}/kiosk`);
          const seen = await page.evaluate(() => {
            const whole = (e) => e.scrollHeight <= e.clientHeight + 1 && e.scrollWidth <= e.clientWidth + 1;
            const inside = (inner, outer) => inner.top >= outer.top - 0.5 && inner.bottom <= outer.bottom + 0.5 &&
              inner.left >= outer.left - 0.5 && inner.right <= outer.right + 0.5;
            const cards = [...document.querySelectorAll('.board > li')];
            const screen = { top: 0, left: 0, right: innerWidth, bottom: innerHeight };
            const cut = cards.filter((card) => {
              const verdict = card.querySelector('.say strong');
              const box = card.getBoundingClientRect();
              return !whole(card) || !whole(verdict) || !inside(verdict.getBoundingClientRect(), box) || !inside(box, screen);
            });
            const sizes = cards.map((card) => parseFloat(getComputedStyle(card.querySelector('.say strong')).fontSize));
            return {
              cards: cards.length,
              cut: cut.map((card) => `${card.textContent.trim().replace(/\s+/g, ' ')}: ${card.scrollHeight} in ${card.clientHeight}`),
              least: Math.min(...sizes),
              scrolls: document.documentElement.scrollHeight - document.documentElement.clientHeight,
            };
          });
          const what = `${bays} bays ${locale} ${width}x${height}`;
          assert.equal(seen.cards, bays, what);
          assert.deepEqual(seen.cut, [], what);
          assert.ok(seen.scrolls <= 0, `${what} scrolls by ${seen.scrolls} px`);
          assert.ok(seen.least >= LEAST[bays], `${what}: a verdict is set in ${seen.least} px`);
          assert.deepEqual(page.complaints, [], what);
          await page.context().close();
        }
      }
    } finally {
      scene.stop();
    }
  });
}
