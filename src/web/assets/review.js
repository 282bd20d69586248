// A review: the place of the player becomes the place of a note, and another document is put beside the clip while it plays on
// and what was typed stays. Without a script the place is typed, and a document's link loads the page.
'use strict';
(() => {
  const media = () => document.querySelector('#player video, #player audio');
  const take = document.querySelector('[data-note-take]');
  const at = document.querySelector('[data-note-at]');
  if (take && at && media()) {
    take.hidden = false;
    take.addEventListener('click', () => {
      const player = media();
      if (!player) return;
      player.pause();
      const s = Math.floor(player.currentTime);
      const two = (n) => String(n).padStart(2, '0');
      at.value = s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
      at.form.elements.words.focus();
    });
  }

  // Where the page's other links and forms lead back to.
  function keep(doc) {
    for (const field of document.querySelectorAll('input[name="doc"]')) field.value = doc;
    for (const link of document.querySelectorAll('a[data-beside]')) {
      const to = new URL(link.href);
      to.searchParams.set('doc', doc);
      link.href = to.href;
    }
  }

  let asked = 0;
  document.addEventListener('click', async (event) => {
    const link = event.target.closest('a[data-doc]');
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const mine = ++asked;
    const { doc } = link.dataset;
    const to = new URL(link.href);
    // Marks of the player stand in the address.
    const marks = new URL(location.href).searchParams.get('t');
    if (marks) to.searchParams.set('t', marks);
    let fresh = null;
    try {
      const answer = await fetch(to.href, { credentials: 'same-origin' });
      if (answer.ok && !answer.redirected) fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-written]');
    } catch (_) {
      // The page itself says what is wrong.
    }
    if (mine !== asked) return;
    if (!fresh) {
      location.href = to.href;
      return;
    }
    document.querySelector('[data-written]').replaceWith(document.importNode(fresh, true));
    history.replaceState(history.state, '', to.href);
    keep(doc);
    const heading = document.getElementById('h-doc');
    if (heading) heading.focus();
  });
})();
