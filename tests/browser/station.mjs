// A station for the browser's tests: the real program on a state directory of its own, its page on a free
// port, sample recorders made by scripts/make-recorder, and Chromium without its calls home.

import { spawn, execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

// Not import.meta.dirname, which Node 18 of Debian 12 does not have.
export const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(path.join(root, '.tools/node/package.json'));
const { chromium } = require('playwright-core');
export const axeSource = require('axe-core').source;
const run = promisify(execFile);

const program = process.env.EVIDOCK_BIN ?? path.join(root, 'target/debug/evidock');
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** As text is compared with what stands on paper: without white space, which says nothing there, and of one form. Chromium may
 * write a character as the radical that has the same glyph (⼀ for 一). */
const flat = (text) => text.normalize('NFKC').replace(/\s/g, '');

/** What poppler, which is no browser, reads in a page as it is printed: its pages, their size in points, and whether words
 * stand on it. */
export function printed(pdf) {
  const read = (program, ...args) => execFileSync(program, args, { input: pdf, encoding: 'utf8', maxBuffer: 64 << 20 });
  const info = read('pdfinfo', '-');
  const fact = (key) => info.split('\n').find((line) => line.startsWith(`${key}:`))?.slice(key.length + 1).trim() ?? '';
  const [width, height] = fact('Page size').split(/[^0-9.]+/).map(Number);
  const text = flat(read('pdftotext', '-layout', '-', '-'));
  return { pages: Number(fact('Pages')), width, height, text, tells: (words) => text.includes(flat(words)) };
}

/** Chromium as Debian ships it. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: quiet });
}

/** GStreamer's registry of plug-ins, made once for all stations: see tests/support/plugins.rs. */
async function plugins() {
  const dir = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'tmp');
  const kept = path.join(dir, 'gstreamer-registry.bin');
  if (!existsSync(kept)) {
    await mkdir(dir, { recursive: true });
    const mine = `${kept}.${process.pid}`;
    await run('gst-inspect-1.0', [], { env: { GST_REGISTRY: mine, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }, maxBuffer: 16 << 20 });
    await rename(mine, kept);
  }
  return kept;
}

export class Station {
  /** Starts the program with further lines of configuration, listening there, and waits until its page answers. */
  static async start(more = [], listen = '127.0.0.1:0') {
    const station = new Station();
    station.dir = await mkdtemp(path.join(tmpdir(), 'evidock-page-'));
    station.state = path.join(station.dir, 'state');
    await mkdir(path.join(station.state, 'docks'), { recursive: true });
    await copyFile(await plugins(), path.join(station.state, 'gstreamer-registry.bin'));
    await writeFile(path.join(station.dir, 'evidock.toml'), [
      '[station]', 'name = "卫生监督所采集站"', `state_dir = ${JSON.stringify(station.state)}`,
      // The disk of a build machine may be nearly full.
      '[vault]', 'reserve_gb = 1',
      '[web]', `listen = ${JSON.stringify(listen)}`, '[source.folder]', 'poll_ms = 200', 'still_after_ms = 400', ...more, '',
    ].join('\n'));
    station.child = spawn(program, ['--config', path.join(station.dir, 'evidock.toml'), 'run'], { stdio: ['ignore', 'pipe', 'pipe'] });
    station.log = '';
    station.url = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no page within 90 s:\n${station.log}`)), 90_000);
      const hear = (chunk) => {
        station.log += chunk;
        const found = /page="?(https?:\/\/[^"\s]+)\/"?/.exec(station.log);
        if (found) {
          clearTimeout(late);
          resolve(found[1].replace('0.0.0.0', '127.0.0.1'));
        }
      };
      station.child.stdout.on('data', hear);
      station.child.stderr.on('data', hear);
      station.child.once('exit', (code) => reject(new Error(`ended with ${code}:\n${station.log}`)));
    });
    return station;
  }

  /** Runs a verb of the command line; gives its JSON. */
  async evidock(...args) {
    const { stdout } = await run(program, ['--config', path.join(this.dir, 'evidock.toml'), '--json', ...args]);
    return JSON.parse(stdout);
  }

  /** Imports a roster given as lines. */
  async roster(...lines) {
    const file = path.join(this.dir, 'roster.csv');
    await writeFile(file, ['officer,recorder,from,to,case,place,matter,proves', ...lines, ''].join('\n'));
    await this.evidock('roster', 'import', file);
  }

  /** Imports a register given as lines, the first of them its header. */
  async register(name, ...lines) {
    const file = path.join(this.dir, `${name}.csv`);
    await writeFile(file, [...lines, ''].join('\n'));
    return this.evidock('register', 'import', name, file);
  }

  /** Docks a sample recorder in a bay. */
  async dock(profile, bay, ...options) {
    const made = path.join(this.dir, `made-${bay}`);
    await run(path.join(root, 'scripts/make-recorder'), [profile, made, ...options]);
    await rename(made, path.join(this.state, 'docks', bay));
  }

  /** Takes the recorder out of a bay. */
  async undock(bay) {
    await rename(path.join(this.state, 'docks', bay), path.join(this.dir, `out-${bay}-${Date.now()}`));
  }

  async stop() {
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** The pages over fixtures that stand still (tests/web/fixtures.rs), for states that a test cannot bring about. */
export class Scene {
  static async start(name) {
    const scene = new Scene();
    scene.child = spawn(path.join(path.dirname(program), 'examples/look'), ['127.0.0.1:0', name], { stdio: ['ignore', 'pipe', 'inherit'] });
    scene.url = await new Promise((resolve, reject) => {
      scene.child.stdout.on('data', (chunk) => resolve(String(chunk).trim().replace(/\/$/, '')));
      scene.child.once('error', reject);
      scene.child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
    });
    return scene;
  }

  /** All scenes at once: `states` tells every page in every state (tests/web/states.rs). */
  static async states() {
    const scene = new Scene();
    scene.child = spawn(path.join(path.dirname(program), 'examples/look'), ['', 'states'], { stdio: ['ignore', 'pipe', 'inherit'] });
    scene.states = await new Promise((resolve, reject) => {
      let told = '';
      scene.child.stdout.on('data', (chunk) => {
        told += chunk;
        if (told.endsWith('\n')) resolve(JSON.parse(told));
      });
      scene.child.once('error', reject);
      scene.child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
    });
    return scene;
  }

  stop() {
    this.child.removeAllListeners('exit');
    this.child.kill('SIGTERM');
  }
}

/** What may be asked for: a station, what a page put together itself, and the browser's own viewer of PDF. */
export const ours = (url) => /^(http:\/\/127\.0\.0\.1|blob:|chrome(-extension|-untrusted)?:)/.test(url);

/**
 * How a page is looked at: language, colours, width in pixels. The second has in everything what the first has not; with
 * EVIDOCK_TEST_FULL=1 each language is seen in each colour, too.
 */
export const LOOKS = [['zh-CN', 'light', 1440], ['en', 'dark', 390]];
if (process.env.EVIDOCK_TEST_FULL) LOOKS.push(['zh-CN', 'dark', 390], ['en', 'light', 1440]);

/** A page that collects what the browser complains about. Beside other suites a machine may take long for what is waited for. */
export async function open(chrome, options = {}) {
  const context = await chrome.newContext({ locale: 'zh-CN', viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('console', (m) => m.type() === 'error' && page.complaints.push(m.text()));
  page.on('request', (r) => !ours(r.url()) && page.complaints.push(`asked ${r.url()}`));
  return page;
}
