// The product's own words (src/domain/words), so that a story presses what a person reads and a test has no second list of
// names. They are called as templates call them: `c.w.sign_in` is `words('en').sign_in`, `c.w.office().try_now` is
// `words('en').office.try_now`; what the log says of an event is `words('en').event.SignedIn`.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from './station.mjs';

const WORD = /^\s*(\w+) => "([^"\n]*)", "([^"\n]*)";/gm;
const EVENT = /EventKind::(\w+) => \{?\s*\("([^"\n]*)", "([^"\n]*)"\)/g;
/** A file whose words are a catalogue of their own; those of the others are methods beside the rest. */
const OWN = /pub struct \w+Words\b/;

const read = (file) => readFileSync(path.join(root, 'src/domain', file), 'utf8');
const known = new Map();

/** Words by their names; one that is not there was renamed, or never was. */
function catalogue(found, whose) {
  return new Proxy(found, {
    get(all, name) {
      if (typeof name === 'string' && !Object.hasOwn(all, name)) throw new Error(`${whose} has no word ${name}`);
      return all[name];
    },
  });
}

/** All words in the language of a browser: `zh-CN` or `en`. */
export function words(locale) {
  if (known.has(locale)) return known.get(locale);
  const said = (text, what) => Object.fromEntries([...text.matchAll(what)].map(([, name, zh, en]) => [name, locale === 'en' ? en : zh]));
  const all = said(read('words.rs'), WORD);
  for (const file of readdirSync(path.join(root, 'src/domain/words')).filter((f) => f.endsWith('.rs'))) {
    const text = read(`words/${file}`);
    if (OWN.test(text)) all[path.basename(file, '.rs')] = catalogue(said(text, WORD), file);
    else Object.assign(all, said(text, WORD));
  }
  all.event = catalogue(said(read('words/sentences.rs'), EVENT), 'sentences.rs');
  known.set(locale, catalogue(all, 'src/domain/words'));
  return known.get(locale);
}
