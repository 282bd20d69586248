// Keys of triage: j and k go from clip to clip, Enter takes what stands in the boxes, o does so for the whole outing, x refuses,
// n, p and v type a number, a place, what it proves; 1 to 9 take a proof from the list, u takes the last decision back. Each
// presses a button or fills a box of a form that works without a script.
(function () {
  "use strict";

  var cards = [];
  var at = 0;

  function look() {
    cards = Array.prototype.slice.call(document.querySelectorAll(".triage > .card"));
    var lists = document.querySelectorAll(".triage .choices");
    for (var i = 0; i < lists.length; i++) lists[i].hidden = false;
  }

  // The card that the keys were at went from the list: another one must be chosen before a key decides anything.
  var gone = false;

  function show(to) {
    if (!cards.length) return;
    gone = false;
    at = Math.max(0, Math.min(cards.length - 1, to));
    for (var i = 0; i < cards.length; i++) cards[i].classList.toggle("current", i === at);
    cards[at].focus({ preventScroll: true });
    cards[at].scrollIntoView({ block: "nearest" });
  }

  function press(key) {
    var inside = key === "u" ? document : gone ? null : cards[at];
    var found = inside && inside.querySelector('[data-key="' + key + '"]');
    if (!found) return false;
    if (found.tagName === "INPUT") {
      found.focus();
      // What is typed replaces what was suggested.
      found.select();
    } else found.click();
    return true;
  }

  function choose(button) {
    var box = button.form.querySelector("[name=proves]");
    box.value = button.value;
    var all = button.form.querySelectorAll("[data-choice]");
    for (var i = 0; i < all.length; i++) all[i].setAttribute("aria-pressed", String(all[i] === button));
  }

  document.addEventListener("click", function (e) {
    var button = e.target.closest && e.target.closest("[data-choice]");
    if (button) choose(button);
  });

  document.addEventListener("keydown", function (e) {
    // From a box the way back to the keys.
    if (e.key === "Escape" && e.target.tagName === "INPUT") {
      if (!gone) show(at);
      return;
    }
    // Whoever types, or means the browser, is let alone; so is a button that has the focus itself.
    if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(e.target.tagName)) return;
    var done = true;
    // What stood at this place is gone: the next one has moved up to it.
    if (e.key === "j") show(gone ? at : at + 1);
    else if (e.key === "k") show(at - 1);
    else if (["Enter", "o", "x", "n", "p", "v", "u"].indexOf(e.key) >= 0) done = press(e.key);
    else if (/^[1-9]$/.test(e.key)) {
      var choice = !gone && cards[at] && cards[at].querySelector('[data-choice="' + e.key + '"]');
      if (choice) choose(choice);
      done = Boolean(choice);
    } else done = false;
    if (done) e.preventDefault();
  });

  // The list was brought up to date: the keys stay with the card they were at.
  var before = null;
  document.body.addEventListener("htmx:beforeSwap", function () {
    before = !gone && cards[at] ? { id: cards[at].id, had: document.activeElement === cards[at] } : null;
  });
  document.body.addEventListener("htmx:afterSettle", function () {
    look();
    if (!before) {
      // The list was empty: the first key chooses, the next one decides.
      if (!gone && cards.length && !document.querySelector(".triage > .card.current")) {
        gone = true;
        at = 0;
      }
      return;
    }
    var to = -1;
    for (var i = 0; i < cards.length; i++) if (cards[i].id === before.id) to = i;
    if (to < 0) {
      gone = true;
      at = Math.min(at, Math.max(0, cards.length - 1));
      return;
    }
    at = to;
    for (var n = 0; n < cards.length; n++) cards[n].classList.toggle("current", n === at);
    if (before.had && document.activeElement !== cards[at]) cards[at].focus({ preventScroll: true });
  });

  look();
  show(0);
})();
