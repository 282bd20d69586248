// A station for the browser's tests: the real program on a state directory of its own, its page on a free
// port, sample recorders made by scripts/make-recorder, and Chromium without its calls home.

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
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

const program = process.env.EVIDOCK_PROGRAM ?? path.join(root, 'target/debug/evidock');
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** Chromium as Debian ships it. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: quiet });
}

export class Station {
  /** Starts the program with further lines of configuration and waits until its page answers. */
  static async start(more = []) {
    const station = new Station();
    station.dir = await mkdtemp(path.join(tmpdir(), 'evidock-page-'));
    station.state = path.join(station.dir, 'state');
    await mkdir(path.join(station.state, 'docks'), { recursive: true });
    await writeFile(path.join(station.dir, 'evidock.toml'), [
      '[station]', 'name = "卫生监督所采集站"', `state_dir = ${JSON.stringify(station.state)}`,
      // The disk of a build machine may be nearly full.
      '[vault]', 'reserve_gb = 1',
      '[web]', 'listen = "127.0.0.1:0"', '[source.folder]', 'poll_ms = 200', 'still_after_ms = 400', ...more, '',
    ].join('\n'));
    station.child = spawn(program, ['--config', path.join(station.dir, 'evidock.toml'), 'run'], { stdio: ['ignore', 'pipe', 'pipe'] });
    station.log = '';
    station.url = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no page within 30 s:\n${station.log}`)), 30_000);
      const hear = (chunk) => {
        station.log += chunk;
        const found = /page="?(https?:\/\/[^"\s]+)\/"?/.exec(station.log);
        if (found) {
          clearTimeout(late);
          resolve(found[1]);
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

  stop() {
    this.child.removeAllListeners('exit');
    this.child.kill('SIGTERM');
  }
}

/** A page that collects what the browser complains about. */
export async function open(chrome, options = {}) {
  const context = await chrome.newContext({ locale: 'zh-CN', viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('console', (m) => m.type() === 'error' && page.complaints.push(m.text()));
  page.on('request', (r) => !r.url().startsWith('http://127.0.0.1') && !r.url().startsWith('blob:') && page.complaints.push(`asked ${r.url()}`));
  return page;
}
